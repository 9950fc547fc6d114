"""The meta-model behind the confidence gate: labels, features, training, model store."""
