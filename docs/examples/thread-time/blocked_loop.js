// A server that hashes passwords on its event loop, and five clients that ask for it.
const { scryptSync } = require("node:crypto");
const { createServer, get } = require("node:http");

function hashPassword(password) {
  return scryptSync(password, "salt", 32, { N: 2 ** 14 });
}

const server = createServer((request, response) => {
  response.end(hashPassword(request.url));
});

function ask() {
  const { port } = server.address();
  get({ port, path: "/secret", agent: false }, (response) => {
    response.resume().on("end", ask);
  });
}

server.listen(0, "127.0.0.1", () => {
  for (let client = 0; client < 5; client++) ask();
});
