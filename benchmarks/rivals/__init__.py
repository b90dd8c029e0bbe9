"""What the service is compared with, and how each is started, asked and ended."""
