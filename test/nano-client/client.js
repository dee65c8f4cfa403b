// Uses a server at the URL given as nano's users do. It exits with 0 only if all of it went as nano documents.
'use strict'
const assert = require('node:assert/strict')
const readline = require('node:readline')
const { once } = require('node:events')
const Nano = require('nano')

const base = process.argv[2]
const nano = Nano(base)
const db = nano.use('nano')
const fails = (promise, statusCode, error, reason) => assert.rejects(promise, e => {
  assert.deepEqual([e.statusCode, e.error, e.reason], [statusCode, error, reason])
  assert.equal(e.message, reason)
  assert.equal(e.scope, 'couch')
  return true
})
const text = async stream => { let all = ''; for await (const part of stream) all += part; return all }

// Whoever started this program kills the server and starts it again.
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = async order => { console.log(order); assert.equal((await answers.next()).value, 'done') }

async function server () {
  assert.equal((await nano.info()).couchdb, 'Welcome')
  assert.deepEqual(await nano.db.create('nano'), { ok: true })
  assert.ok((await nano.db.list()).includes('nano'))
  assert.ok(JSON.parse(await text(nano.db.listAsStream())).includes('nano'))
  const info = await nano.db.get('nano')
  assert.deepEqual([info.db_name, info.doc_count, info.doc_del_count], ['nano', 0, 0])
  const { uuids } = await nano.uuids(20)
  assert.equal(new Set(uuids).size, 20)
  assert.ok(uuids.every(u => /^[0-9a-f]{32}$/.test(u)))
  await nano.db.create('gone')
  assert.deepEqual(await nano.db.destroy('gone'), { ok: true })
  assert.deepEqual(await nano.db.compact('nano'), { ok: true })
}

async function documents () {
  const first = await db.insert({ n: 1 }, 'a/b ü')
  assert.deepEqual([first.ok, first.id], [true, 'a/b ü'])
  assert.deepEqual(await db.get('a/b ü'), { _id: 'a/b ü', _rev: first.rev, n: 1 })
  const head = await db.head('a/b ü')
  assert.equal(head.etag, `"${first.rev}"`)
  const second = await db.insert({ _id: 'a/b ü', _rev: first.rev, n: 2 })
  const history = await db.get('a/b ü', { revs_info: true, rev: first.rev })
  assert.deepEqual([history.n, history._revs_info[0].status], [1, 'available'])
  const posted = await db.insert({ type: 'posted' })
  assert.equal((await db.get(posted.id)).type, 'posted')
  assert.equal((await db.destroy('a/b ü', second.rev)).ok, true)
  await fails(db.get('a/b ü'), 404, 'not_found', 'deleted')
  await db.insert({ language: 'javascript', filters: { odd: 'function (doc) { return doc.i % 2 === 1 }' } }, '_design/parts')
  assert.equal((await db.get('_design/parts')).language, 'javascript')
}

async function bulk () {
  const docs = Array.from({ length: 200 }, (_, i) => ({ _id: 'bulk-' + String(i).padStart(3, '0'), i }))
  const rows = await db.bulk({ docs })
  assert.ok(rows.every((r, i) => r.ok && r.id === docs[i]._id))
  assert.deepEqual((await db.bulk({ docs: [docs[7]] }))[0], { id: 'bulk-007', error: 'conflict', reason: 'Document update conflict.' })
  const page = await db.list({ startkey: 'bulk-100', endkey: 'bulk-199', limit: 3, skip: 2, include_docs: true })
  assert.deepEqual(page.rows.map(r => r.doc.i), [102, 103, 104])
  const fetched = await db.fetch({ keys: ['bulk-007', 'none', 'bulk-001'] })
  assert.deepEqual(fetched.rows.map(r => r.error || r.doc.i), [7, 'not_found', 1])
  const revs = await db.fetchRevs({ keys: ['bulk-007'] })
  assert.deepEqual(revs.rows[0].value, { rev: rows[7].rev })
  assert.equal(JSON.parse(await text(db.listAsStream())).rows.length, (await db.list()).rows.length)
}

async function attachments () {
  const noise = Buffer.from(Array.from({ length: 200000 }, (_, i) => (i * i * 31 + (i >> 7)) & 0xff))
  const words = 'words and words. '.repeat(5000)
  const first = await db.attachment.insert('att', 'noise.bin', noise, 'application/octet-stream')
  const second = await db.attachment.insert('att', 'words.txt', words, 'text/plain', { rev: first.rev })
  assert.ok((await db.attachment.get('att', 'noise.bin')).equals(noise))
  assert.equal(await db.attachment.get('att', 'words.txt'), words)
  const streamed = []
  for await (const part of db.attachment.getAsStream('att', 'noise.bin')) streamed.push(part)
  assert.ok(Buffer.concat(streamed).equals(noise))
  const doc = await db.get('att')
  assert.deepEqual(Object.values(doc._attachments).map(a => [a.stub, a.length]).sort(), [[true, 200000], [true, words.length]].sort())
  const third = await db.attachment.destroy('att', 'words.txt', { rev: second.rev })
  await fails(db.attachment.get('att', 'words.txt'), 404, 'not_found', 'Document is missing attachment')
  assert.equal(await db.attachment.get('att', 'words.txt', { rev: second.rev }), words)
  await fails(db.attachment.destroy('att', 'noise.bin', { rev: second.rev }), 409, 'conflict', 'Document update conflict.')
  assert.match(third.rev, /^3-/)

  const parts = [
    { name: 'one.txt', data: 'the first', content_type: 'text/plain' },
    { name: 'two.bin', data: noise, content_type: 'application/octet-stream' }
  ]
  const { rev } = await db.multipart.insert({ n: 5 }, parts, 'parts')
  assert.equal(await db.attachment.get('parts', 'one.txt'), 'the first')
  assert.ok((await db.attachment.get('parts', 'two.bin')).equals(noise))
  const whole = String(await db.multipart.get('parts'))
  assert.ok(whole.includes('"n":5') && whole.includes('two.bin'))
  // An edit that names the attachments keeps them.
  const kept = await db.get('parts')
  const next = await db.insert({ ...kept, n: 6 })
  assert.equal((await db.get('parts', { attachments: true }))._attachments['one.txt'].data, Buffer.from('the first').toString('base64'))
  assert.notEqual(next.rev, rev)
}

async function find () {
  const made = await db.createIndex({ index: { fields: ['i'] }, ddoc: 'by-i', name: 'by-i' })
  assert.deepEqual([made.result, made.id, made.name], ['created', '_design/by-i', 'by-i'])
  const query = { selector: { i: { $gt: 50, $lte: 60 } }, sort: ['i'], fields: ['i'], use_index: 'by-i', execution_stats: true }
  const found = await db.find(query)
  assert.deepEqual(found.docs.map(d => d.i), Array.from({ length: 10 }, (_, n) => 51 + n))
  assert.equal(found.execution_stats.results_returned, 10)
  assert.deepEqual(JSON.parse(await text(db.findAsStream(query))).docs, found.docs)
  const first = await db.find({ ...query, limit: 4 })
  const second = await db.find({ ...query, limit: 4, bookmark: first.bookmark })
  assert.deepEqual(second.docs.map(d => d.i), [55, 56, 57, 58])
}

async function changes () {
  const { last_seq: end } = await db.changes()
  // To the end of what is there, in batches.
  const reader = db.changesReader.get({ since: 0, batchSize: 50, includeDocs: true, timeout: 50 })
  const read = []
  reader.on('change', row => read.push(row))
  await once(reader, 'end')
  const all = await db.changes({ include_docs: true })
  assert.deepEqual(read.map(r => [r.id, r.seq]), all.results.map(r => [r.id, r.seq]))
  // With one request.
  const spool = db.changesReader.spool({ since: 0, batchSize: 50 })
  let spooled = 0
  spool.on('batch', rows => { spooled += rows.length })
  await once(spool, 'end')
  assert.equal(spooled, all.results.length)
  // Live, filtered by a selector.
  const live = db.changesReader.start({ since: end, selector: { kind: 'new' }, includeDocs: true, batchSize: 10 })
  live.on('error', () => {}) // to stop it is one
  const seen = once(live, 'change')
  await db.bulk({ docs: [{ _id: 'other', kind: 'old' }, { _id: 'live', kind: 'new' }] })
  assert.equal((await seen)[0].doc._id, 'live')
  db.changesReader.stop()
  const filtered = await db.changes({ filter: 'parts/odd' })
  assert.equal(filtered.results.length, 100)
}

async function session () {
  const fresh = Nano({ url: base.replace(/\/\/.*@/, '//') })
  await fails(fresh.use('nano').info(), 401, 'unauthorized', 'You are not authorized to access this db.')
  await fails(fresh.auth('admin', 'wrong'), 401, 'unauthorized', 'Name or password is incorrect.')
  const name = decodeURIComponent(new URL(base).username)
  const answer = await fresh.auth(name, decodeURIComponent(new URL(base).password))
  assert.deepEqual([answer.ok, answer.name], [true, name])
  const { userCtx, info } = await fresh.session()
  assert.deepEqual([userCtx.name, userCtx.roles, info.authenticated], [name, ['_admin'], 'cookie'])
  assert.equal((await fresh.use('nano').info()).db_name, 'nano')
}

async function replicate () {
  const once = await nano.db.replicate('nano', 'copy', { create_target: true })
  assert.equal(once.ok, true)
  assert.equal(once.history[0].doc_write_failures, 0)
  const [here, there] = await Promise.all([db, nano.use('copy')].map(d => d.info()))
  assert.deepEqual([there.doc_count, there.doc_del_count], [here.doc_count, here.doc_del_count])
  assert.equal((await db.replicate('copy')).no_changes, true)
  assert.equal((await nano.use('copy').get('parts', { attachments: true }))._attachments['one.txt'].data, Buffer.from('the first').toString('base64'))
  await nano.db.destroy('copy')
}

async function errors () {
  await fails(nano.db.create('nano'), 412, 'file_exists', 'The database could not be created, the file already exists.')
  await fails(nano.db.get('none'), 404, 'not_found', 'Database does not exist.')
  await fails(nano.use('none').get('x'), 404, 'not_found', 'Database does not exist.')
  await fails(db.get('none'), 404, 'not_found', 'missing')
  await fails(db.insert({ n: 1 }, 'bulk-001'), 409, 'conflict', 'Document update conflict.')
  await fails(db.insert({ _wrong: 1 }, 'x'), 400, 'doc_validation', 'Bad special document member: _wrong')
  await fails(db.destroy('bulk-001', 'nonsense'), 400, 'bad_request', 'Invalid rev format')
  await assert.rejects(db.head('none'), e => e.statusCode === 404)
  await assert.rejects(nano.db.create('Illegal Name'), e => e.statusCode === 400 && e.error === 'illegal_database_name')
  await assert.rejects(db.find({ selector: { $nonsense: 1 } }), e => e.statusCode === 400 && e.error === 'invalid_operator')
  // A stream that cannot begin.
  const [error] = await once(nano.use('none').listAsStream(), 'error')
  assert.equal(error.statusCode, 404)
}

// The server is killed under writers and a reader of changes, who go on when it is there again.
async function killed () {
  const own = nano.use('killed')
  await nano.db.create('killed')
  const seen = new Map()
  const reader = own.changesReader.start({ since: 0, batchSize: 20, timeout: 5000 })
  reader.on('change', row => seen.set(row.id, row.changes[0].rev))
  reader.on('error', () => {}) // it tries again by itself
  const answered = new Map()
  let enough
  const reached = new Promise(resolve => { enough = resolve })
  const write = async name => {
    for (let n = 0; ; n++) {
      const id = `${name}-${n}`
      const body = `attachment of ${id} `.repeat(500)
      try {
        const first = await own.insert({ n, _attachments: { f: { content_type: 'text/plain', data: Buffer.from(body).toString('base64') } } }, id)
        answered.set(id, first.rev)
        answered.set(id, (await own.attachment.insert(id, 'g', body, 'text/plain', { rev: first.rev })).rev)
      } catch { return }
      if (answered.size > 60) enough()
    }
  }
  const writers = ['a', 'b', 'c', 'd'].map(write)
  await reached
  await tell('kill')
  await Promise.all(writers)
  await assert.rejects(own.info(), /connection/)
  await tell('start')
  await own.insert({}, 'marker')
  while (!seen.has('marker')) await once(reader, 'batch')
  own.changesReader.stop()
  for (const [id, rev] of answered) {
    const doc = await own.get(id, { revs: true, attachments: true })
    const known = doc._revisions.ids.map((hash, i) => `${doc._revisions.start - i}-${hash}`)
    assert.ok(known.includes(rev), `${id} was answered as ${rev} and is ${doc._rev}`)
    assert.equal(seen.get(id), doc._rev)
    for (const name of Object.keys(doc._attachments)) {
      assert.equal(Buffer.from(doc._attachments[name].data, 'base64').toString(), `attachment of ${id} `.repeat(500))
    }
    assert.equal(Object.keys(doc._attachments).length, Number(doc._rev.split('-')[0]))
  }
}

async function main () {
  for (const part of [server, documents, bulk, attachments, find, changes, session, replicate, errors, killed]) {
    await part()
    console.log(part.name + ': ok')
  }
  await nano.db.destroy('nano')
  process.exit(0)
}

main().catch(e => { console.error(e); process.exit(1) })
