"""Whether a request may go ahead: parsing, Alpaca's refusals, reservations, buying power."""
