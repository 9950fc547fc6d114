"""One scenario of requests that runs against this exchange and, with a person's paper keys, against Alpaca itself."""
