"""The HTTP client that sends an order once, whatever the connection does: rates, retries, a circuit breaker, adoption."""
