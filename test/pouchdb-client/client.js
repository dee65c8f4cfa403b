// Uses a server at the URL given as PouchDB's users do: documents, bulk writes, live changes, finds, sync both ways with
// conflicts, and attachments. It exits with 0 only if all of it went as PouchDB documents.
'use strict'
const assert = require('node:assert/strict')
const readline = require('node:readline')
const PouchDB = require('pouchdb-core')
  .plugin(require('pouchdb-adapter-http'))
  .plugin(require('pouchdb-adapter-memory'))
  .plugin(require('pouchdb-replication'))
  .plugin(require('pouchdb-find'))

const base = process.argv[2]
const remote = new PouchDB(base + '/pouch')
const once = (emitter, event) => new Promise((resolve, reject) => { emitter.once(event, resolve); emitter.once('error', reject) })
const rejects = (promise, name) => assert.rejects(promise, e => { assert.equal(e.name, name); return true })

// Whoever started this program kills the server and starts it again.
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const tell = async order => { console.log(order); assert.equal((await answers.next()).value, 'done') }

// The winners of a database with their conflicts and attachments; digests are of what is stored, which may be compressed.
async function state (db) {
  const { rows } = await db.allDocs({ include_docs: true, conflicts: true })
  return rows.map(({ doc }) => {
    const files = Object.entries(doc._attachments || {}).map(([name, a]) => [name, a.content_type, a.length])
    return [doc._id, doc._rev, (doc._conflicts || []).sort(), files.sort()]
  })
}

// Waits until two databases that are being synced are the same, looking again at each change of either.
async function same (a, b) {
  let changed
  const feeds = [a, b].map(db => db.changes({ since: 0, live: true, style: 'all_docs' }).on('change', () => changed && changed()))
  for (;;) {
    const next = new Promise(resolve => { changed = resolve })
    const [x, y] = await Promise.all([state(a), state(b)])
    try { assert.deepEqual(x, y); break } catch { await next }
  }
  feeds.forEach(f => f.cancel())
}

async function documents () {
  const { rev } = await remote.put({ _id: 'a/b ü', n: 1 })
  assert.deepEqual(await remote.get('a/b ü'), { _id: 'a/b ü', _rev: rev, n: 1 })
  await rejects(remote.put({ _id: 'a/b ü', n: 2 }), 'conflict')
  const second = await remote.put({ _id: 'a/b ü', _rev: rev, n: 2 })
  const info = await remote.get('a/b ü', { revs_info: true })
  assert.deepEqual(info._revs_info.map(r => r.status), ['available', 'available'])
  await remote.remove('a/b ü', second.rev)
  await rejects(remote.get('a/b ü'), 'not_found')
  const posted = await remote.post({ type: 'posted' })
  assert.equal((await remote.get(posted.id)).type, 'posted')
}

async function bulk () {
  const written = await remote.bulkDocs(Array.from({ length: 300 }, (_, i) => ({ _id: 'bulk-' + String(i).padStart(3, '0'), i })))
  assert.ok(written.every(r => r.ok))
  const again = await remote.bulkDocs([{ _id: 'bulk-000', i: -1 }, { _id: 'bulk-new', i: 300 }])
  assert.equal(again[0].name, 'conflict')
  assert.ok(again[1].ok)
  const page = await remote.allDocs({ startkey: 'bulk-100', endkey: 'bulk-199', include_docs: true, limit: 10, skip: 5 })
  assert.deepEqual(page.rows.map(r => r.doc.i), Array.from({ length: 10 }, (_, i) => 105 + i))
  const keys = await remote.allDocs({ keys: ['bulk-007', 'missing'] })
  assert.equal(keys.rows[1].error, 'not_found')
  const got = await remote.bulkGet({ docs: [{ id: 'bulk-007' }] })
  assert.equal(got.results[0].docs[0].ok.i, 7)
}

async function live () {
  const feed = remote.changes({ since: (await remote.info()).update_seq, live: true, include_docs: true })
  const seen = once(feed, 'change')
  await remote.put({ _id: 'live', hello: 'there' })
  assert.equal((await seen).doc.hello, 'there')
  feed.cancel()
  const past = await remote.changes({ doc_ids: ['live'], include_docs: true })
  assert.deepEqual(past.results.map(r => r.id), ['live'])
  const selected = await remote.changes({ selector: { i: { $gte: 298 } } })
  assert.equal(selected.results.length, 3)
}

async function find () {
  await remote.createIndex({ index: { fields: ['i'], ddoc: 'by-i', name: 'by-i' } })
  const found = await remote.find({ selector: { i: { $gt: 250, $lte: 260 } }, sort: ['i'], use_index: 'by-i', fields: ['i'] })
  assert.deepEqual(found.docs.map(d => d.i), Array.from({ length: 10 }, (_, i) => 251 + i))
  const { indexes } = await remote.getIndexes()
  assert.ok(indexes.some(x => x.name === 'by-i'))
}

async function sync () {
  const local = new PouchDB('local', { adapter: 'memory' })
  await local.put({ _id: 'offline', from: 'local' })
  await remote.put({ _id: 'shared', from: 'remote' })
  await local.put({ _id: 'shared', from: 'local' })
  await local.sync(remote)
  assert.equal((await remote.get('offline')).from, 'local')
  assert.equal((await local.get('bulk-007')).i, 7)
  const [here, there] = await Promise.all([local, remote].map(db => db.get('shared', { conflicts: true })))
  assert.deepEqual(here, there)
  assert.equal(here._conflicts.length, 1)
  await remote.remove('shared', here._conflicts[0])
  const second = await local.sync(remote)
  assert.equal((await local.get('shared', { conflicts: true }))._conflicts, undefined)
  assert.ok(second.pull.docs_read < 10, 'the second sync went on from its checkpoint')

  const ongoing = local.sync(remote, { live: true, retry: true })
  const arrived = once(local.changes({ since: 'now', live: true, doc_ids: ['from-afar'] }), 'change')
  await remote.put({ _id: 'from-afar' })
  assert.equal((await arrived).id, 'from-afar')
  ongoing.cancel()
  await once(ongoing, 'complete')
}

async function attachments () {
  const text = Buffer.from('words and words. '.repeat(20000))
  const noise = Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * i * 31 + (i >> 7)) & 0xff))
  const first = await remote.put({ _id: 'att', _attachments: { 'a b/é.txt': { content_type: 'text/plain', data: text.toString('base64') } } })
  const second = await remote.putAttachment('att', 'noise.bin', first.rev, noise, 'application/octet-stream')
  assert.ok((await remote.getAttachment('att', 'a b/é.txt')).equals(text))
  assert.ok((await remote.getAttachment('att', 'noise.bin')).equals(noise))
  const doc = await remote.get('att', { attachments: true, binary: true })
  assert.ok(doc._attachments['a b/é.txt'].data.equals(text))
  assert.equal((await remote.get('att'))._attachments['noise.bin'].stub, true)
  doc.n = 1
  doc._attachments = { 'noise.bin': { stub: true }, small: { content_type: 'a/b', data: 'aGk=' } }
  const third = await remote.put(doc)
  await assert.rejects(remote.getAttachment('att', 'a b/é.txt'), e => e.status === 404)
  assert.ok((await remote.getAttachment('att', 'a b/é.txt', { rev: second.rev })).equals(text))
  await rejects(remote.put({ _id: 'att', _rev: third.rev, _attachments: { none: { stub: true } } }), 'missing_stub')
  await remote.removeAttachment('att', 'small', third.rev)

  // Both ways, with a conflict of which each side has its own attachment.
  const local = new PouchDB('local-att', { adapter: 'memory' })
  await local.put({ _id: 'here', _attachments: { f: { content_type: 'text/plain', data: Buffer.from('from here').toString('base64') } } })
  await local.put({ _id: 'torn', _attachments: { f: { content_type: 'a/b', data: Buffer.from('left').toString('base64') } } })
  await remote.put({ _id: 'torn', _attachments: { f: { content_type: 'a/b', data: Buffer.from('right').toString('base64') } } })
  await local.sync(remote)
  assert.ok((await local.getAttachment('att', 'noise.bin')).equals(noise))
  assert.equal((await remote.getAttachment('here', 'f')).toString(), 'from here')
  for (const db of [local, remote]) {
    const torn = await db.get('torn', { conflicts: true })
    const both = [torn._rev, torn._conflicts[0]].map(rev => db.getAttachment('torn', 'f', { rev }))
    assert.deepEqual((await Promise.all(both)).map(String).sort(), ['left', 'right'])
  }
  const list = await remote.allDocs({ keys: ['here'], include_docs: true, attachments: true })
  assert.equal(Buffer.from(list.rows[0].doc._attachments.f.data, 'base64').toString(), 'from here')
}

// Both sides edit the same documents apart, then while they are synced live: each document has one winner, the same on both.
async function conflicts () {
  const local = new PouchDB('local-torn', { adapter: 'memory' })
  const there = new PouchDB(base + '/torn')
  const ids = Array.from({ length: 12 }, (_, i) => 'torn-' + i)
  await there.bulkDocs(ids.map(_id => ({ _id })))
  await local.sync(there)
  const edit = async (db, id, by, times) => {
    for (let n = 0; n < times; n++) await db.put({ ...await db.get(id), by, n })
  }
  // The longer branch wins: here, there, or what the hashes say.
  for (const [i, id] of ids.entries()) await Promise.all([edit(local, id, 'here', 1 + i % 3), edit(there, id, 'there', 1 + (i >> 1) % 3)])
  await local.remove(await local.get('torn-11'))
  const ongoing = local.sync(there, { live: true, retry: true })
  await same(local, there)
  for (const id of ids) {
    const doc = await local.get(id, { conflicts: true })
    if (id !== 'torn-11') assert.equal(doc._conflicts.length, 1)
  }
  assert.equal((await there.get('torn-11')).by, 'there', 'an edit wins over a deletion')
  assert.deepEqual(new Set((await local.allDocs({ include_docs: true })).rows.map(r => r.doc.by)), new Set(['here', 'there']))
  // While they are synced: each side resolves half of the conflicts, and both go on editing.
  await Promise.all(ids.slice(0, 10).map(async (id, i) => {
    const db = i % 2 ? local : there
    const { _conflicts: losers } = await db.get(id, { conflicts: true })
    await Promise.all(losers.map(rev => db.remove(id, rev)))
  }))
  const made = await Promise.all([local, there].map((db, i) => db.bulkDocs(ids.map(id => ({ _id: 'new-' + id, from: i })))))
  await same(local, there)
  for (const id of ids.slice(0, 10)) assert.equal((await there.get(id, { conflicts: true }))._conflicts, undefined)
  for (const [i, id] of ids.entries()) {
    const { _conflicts: losers = [] } = await local.get('new-' + id, { conflicts: true })
    assert.equal(losers.length, made.filter(rows => rows[i].ok).length - 1) // none where the other side's came first
  }
  ongoing.cancel()
  await once(ongoing, 'complete')
  await there.destroy()
}

// The server is killed in the middle of a live sync, with attachments under way in both directions, and started again.
async function killed () {
  // PouchDB's replication asks for a figure that shows its progress, and does not expect that nobody answers.
  process.on('unhandledRejection', e => {
    if (e.name === 'FetchError' && e.type === 'system') return
    console.error(e)
    process.exit(1)
  })
  const local = new PouchDB('local-killed', { adapter: 'memory' })
  const there = new PouchDB(base + '/killed')
  await there.info()
  const content = id => Buffer.from(`what ${id} has. `.repeat(2000))
  const doc = (_id, n) => ({ _id, n, _attachments: { f: { content_type: n % 2 ? 'text/plain' : 'a/b', data: content(_id).toString('base64') } } })
  const ongoing = local.sync(there, { live: true, retry: true, batch_size: 5, back_off_function: () => 50 })
  ongoing.on('error', e => { console.error(e); process.exit(1) })
  const answered = []
  for (let round = 0; round < 3; round++) {
    const moved = once(ongoing, 'change')
    const here = local.bulkDocs(Array.from({ length: 30 }, (_, n) => doc(`here-${round}-${n}`, n)))
    const writers = ['a', 'b', 'c'].map(async name => {
      for (let n = 0; ; n++) {
        const id = `there-${round}-${name}-${n}`
        try { await there.put(doc(id, n)) } catch { return }
        answered.push(id)
      }
    })
    answered.push(...(await here).map(r => r.id))
    await moved
    await tell('kill')
    await Promise.all(writers)
    await assert.rejects(there.info())
    await local.put(doc(`offline-${round}`, round))
    answered.push(`offline-${round}`)
    await tell('start')
  }
  await same(local, there)
  ongoing.cancel()
  await once(ongoing, 'complete')
  for (const db of [local, there]) {
    for (const id of answered) assert.ok((await db.getAttachment(id, 'f')).equals(content(id)), id)
  }
  const { rows } = await local.allDocs()
  assert.ok(rows.length >= answered.length)
  await there.destroy()
}

async function main () {
  for (const part of [documents, bulk, live, find, sync, attachments, conflicts, killed]) {
    await part()
    console.log(part.name + ': ok')
  }
  await remote.destroy()
  process.exit(0)
}

main().catch(e => { console.error(e); process.exit(1) })
