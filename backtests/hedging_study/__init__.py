"""Parts of the hedge study: the books, the sleeve's own account, the null tests, a constructed example and the tables."""
