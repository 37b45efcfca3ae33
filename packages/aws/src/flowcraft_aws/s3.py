"""Long values in an S3 bucket, with a reference to them in the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ._names import digest, escape

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_KEYS_PER_REQUEST = 1_000


class S3PayloadStore:
    """Keeps the bodies of facts and context values that are longer than a threshold in a bucket.

    An object is written once under a name that nobody else uses, before the item that names it. One whose item was
    never written, for its writer was killed in between, stays. So does that of a context value that is set anew: it may
    just be read. Give the bucket a lifecycle rule for the prefix that is longer than your longest run.

    Attributes:
        threshold: Bytes from which on a body goes to the bucket.
        max_bytes: The longest body.
        place: What it is called in messages.
    """

    def __init__(
        self,
        *,
        client: S3Client,
        bucket: str,
        prefix: str = "flowcraft/",
        threshold: int = 64 * 1024,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """Send nothing yet.

        Args:
            client: A boto3 client of S3.
            bucket: The bucket, which exists.
            prefix: What the names of objects begin with.
            threshold: Bytes from which on a body goes to the bucket. Below it, an item in DynamoDB is cheaper to write
                up to some 8 KB, and faster to read up to some hundred.
            max_bytes: The longest body; it is held in memory whole.
        """
        self.client = client
        self.bucket = bucket
        self.threshold = threshold
        self.max_bytes = max_bytes
        self.place = f"S3 bucket {bucket!r}"
        self._prefix = prefix

    def name_of(self, run_id: str, item: str, token: str) -> str:
        """The name of an object: of a run, for an item, written by one writer."""
        return f"{self._prefix}{digest(escape(run_id))[:32]}/{digest(item)}/{digest(token)[:32]}"

    def put(self, name: str, body: bytes) -> None:
        """Store an object; in a thread."""
        self.client.put_object(Bucket=self.bucket, Key=name, Body=body)

    def get(self, name: str) -> bytes:
        """An object's content; in a thread."""
        return self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; in a thread."""
        for start in range(0, len(names), _KEYS_PER_REQUEST):
            objects: Any = [{"Key": name} for name in names[start : start + _KEYS_PER_REQUEST]]
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            for refused in answer.get("Errors", []):  # it answers with 200 all the same
                said: Any = {"Error": refused, "ResponseMetadata": {}}
                raise ClientError(said, "DeleteObjects")
