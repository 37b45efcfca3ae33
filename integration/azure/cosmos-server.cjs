// The Cosmos DB server from npm, with one fault mended and three of the cloud's limits added that it lacks.
//
//     node cosmos-server.cjs NODE_MODULES PORT

const path = require("path");

const [modules, port] = process.argv.slice(2);
const lib = path.join(modules, "@vercel", "cosmosdb-server", "lib");

const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024;
const MAX_PATCH_OPERATIONS = 10;
const MAX_PAGE = 100;

// The server looks its handlers up when it is called, so they can be exchanged before it is loaded.
function around(file, wrap) {
  const handler = require(path.join(lib, "handler", file));
  handler.default = wrap(handler.default);
}

// A point read of what is not there breaks, where the cloud answers 404.
around("read-document.js", (read) => (account, req, res, ids) => {
  try {
    return read(account, req, res, ids);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    res.statusCode = 404;
    return { code: "NotFound", message: "there is no such document" };
  }
});

// The cloud ends a page after 4 MB at the latest, whatever the client asks for.
around("query-documents.js", (query) => (account, req, res, ids) => {
  const wanted = parseInt(req.headers["x-ms-max-item-count"] || "100", 10);
  req.headers["x-ms-max-item-count"] = String(wanted > 0 ? Math.min(wanted, MAX_PAGE) : MAX_PAGE);
  return query(account, req, res, ids);
});

const operations = require(path.join(lib, "handler", "_document-operations.js"));
for (const name of ["createOperation", "replaceOperation", "upsertOperation"]) {
  const operation = operations[name];
  operations[name] = (collection, input) =>
    Buffer.byteLength(JSON.stringify(input.resourceBody)) > MAX_DOCUMENT_BYTES
      ? { statusCode: 413, body: { code: "RequestEntityTooLarge", message: "a document can have 2 MB" } }
      : operation(collection, input);
}

const patches = require(path.join(lib, "handler", "_patch-operations.js"));
const patch = patches.patchOperation;
patches.patchOperation = (collection, input) =>
  input.operations.length > MAX_PATCH_OPERATIONS
    ? { statusCode: 400, body: { code: "BadRequest", message: "a patch can have 10 operations" } }
    : patch(collection, withinItsPartition(input));

// The condition of a patch is asked of every document with the id, in all partitions, and in small letters. Asked as a
// whole query it stands as it is, and names the partition.
function withinItsPartition(input) {
  const where = /^\s*from c where (.*)$/is.exec(input.condition || "");
  if (!where) return input;
  const run = JSON.stringify([].concat(JSON.parse(input.partitionKey))[0]); // a header, in which it is JSON
  return { ...input, condition: `SELECT * FROM c WHERE c.id = @id AND c.runId = ${run} AND (${where[1]})` };
}

require(lib).createHttpServer().listen(Number(port), "127.0.0.1");
