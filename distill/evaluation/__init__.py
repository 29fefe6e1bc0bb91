"""Measuring rankings: BEIR-style data, systems that rank, metrics with their uncertainty, reports."""
