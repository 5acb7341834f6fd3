"""Secrets and personal data in texts, replaced by placeholders."""
