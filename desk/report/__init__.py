"""Renders a finished run for people: terminal summary, HTML with pictures, tear sheet. Depends on the domain only."""
