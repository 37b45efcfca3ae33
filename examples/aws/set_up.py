"""``python set_up.py``: create the queue and the tables, as far as they are missing, and print the queue's URL."""

from __future__ import annotations

from flowcraft_aws import provision

if __name__ == "__main__":
    print(provision().queue_url)
