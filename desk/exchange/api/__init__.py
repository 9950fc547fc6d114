"""Alpaca's endpoints and streams over an exchange: from a request to the answer on the wire."""
