"""What the emulators do otherwise than Azure, all in one place.

Gaps that a clause of the contracts runs into are in ``EXCUSED``: the clause, and why; it runs all the same, as a strict
xfail. Scenarios that cannot be shown are in ``ABSENT``. Both are empty at present. The other gaps are mended or made up
for where they are named:

- Cosmos DB server (npm): a point read of what is not there breaks with status 500. ``cosmos-server.cjs`` answers 404.
- Cosmos DB server: a document may have any size, a patch any number of operations, a page any number of documents.
  ``cosmos-server.cjs`` enforces 2 MB and 10, and ends pages early.
- Cosmos DB server: a query for one partition looks in all of them. The adapter's queries name the run as well.
- Cosmos DB server: the condition of a patch holds if it holds for any document of that id, in whichever partition.
  ``cosmos-server.cjs`` asks it of the document that is patched.
- Cosmos DB server: a document without a partition key is in the partition of its own id. No document of the adapter has
  a run's id as its own.
- Cosmos DB server: everything costs 1 request unit. ``benchmarks/azure_units.py`` has a model of the real charges.
- Cosmos DB server: no read is ever stale. ``stale.py`` has a client whose reads are.
- Cosmos DB server: nothing expires by itself. The adapter compares times by itself too.
- Cosmos DB server: a transactional batch is not atomic. The adapter uses none.
- Azurite: what is delayed or held cannot be looked at. The clauses that look past the adapter at a queue are absent.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Why the emulators cannot keep a clause, by its id.
EXCUSED: Mapping[str, str] = {}

#: Why the emulators cannot show a scenario, by its number.
ABSENT: Mapping[int, str] = {}
