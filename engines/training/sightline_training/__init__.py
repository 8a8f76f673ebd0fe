"""Recipes that make Sightline's models: prepare, train, export, quantise, evaluate, bundle."""
