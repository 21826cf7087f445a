"""Predictions against labels: the published protocol, from text files to tables, charts and pages."""
