// Uses a server at the URL given as PouchDB's users do: documents, bulk writes, live changes, finds, sync both ways with
// conflicts, and attachments. It exits with 0 only if all of it went as PouchDB documents.
'use strict'
const assert = require('node:assert/strict')
const PouchDB = require('pouchdb-core')
  .plugin(require('pouchdb-adapter-http'))
  .plugin(require('pouchdb-adapter-memory'))
  .plugin(require('pouchdb-replication'))
  .plugin(require('pouchdb-find'))

const base = process.argv[2]
const remote = new PouchDB(base + '/pouch')
const once = (emitter, event) => new Promise((resolve, reject) => { emitter.once(event, resolve); emitter.once('error', reject) })
const rejects = (promise, name) => assert.rejects(promise, e => { assert.equal(e.name, name); return true })

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
  const feed = remote.changes({ since: 'now', live: true, include_docs: true })
  const seen = once(feed, 'change')
  await new Promise(resolve => setTimeout(resolve, 300)) // PouchDB does not tell when a feed is open
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

async function main () {
  for (const part of [documents, bulk, live, find, sync, attachments]) {
    await part()
    console.log(part.name + ': ok')
  }
  await remote.destroy()
  process.exit(0)
}

main().catch(e => { console.error(e); process.exit(1) })
