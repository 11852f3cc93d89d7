"""The Handinger HTTP API: what is asked, when it is asked again, and what an answer means."""
