"""``python set_up.py``: the shop's own tables, with something in stock."""

from __future__ import annotations

import os

import psycopg

if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS stock (name text PRIMARY KEY, number int NOT NULL)")
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, items text NOT NULL)")
        connection.execute("INSERT INTO stock VALUES ('tea', 100), ('pot', 10) ON CONFLICT DO NOTHING")
