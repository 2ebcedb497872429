"""Search under a latency budget. Sees neither latency nor accuracy: a callable scores populations."""
