// Uses a store and a queue of another origin as a web page does: with a session, PouchDB, an EventSource, fetch, beacons and frames.
// Loaded as "#neighbour" it is a page that nobody let in, in the browser of somebody who is logged in.
'use strict'

// Tells the test a line. The test has answered once it has done what the line asks for.
const tell = async line => {
  const answer = await fetch('/said', { method: 'POST', body: line })
  if (!answer.ok) throw new Error(line + ': ' + await answer.text())
}
const once = (emitter, event) => new Promise((resolve, reject) => { emitter.once(event, resolve); emitter.once('error', reject) })

function equal (got, want, about = '') {
  const [a, b] = [got, want].map(v => JSON.stringify(v))
  if (a !== b) throw new Error(`${about}: ${a}, not ${b}`)
}

async function rejects (promise, name) {
  try { await promise } catch (e) { return equal(e.name, name) }
  throw new Error(name + ' was expected')
}

// Gives the status and the parsed body.
async function ask (url, options = {}) {
  const answer = await fetch(url, options)
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) }
}

let settings
const open = name => new PouchDB(settings.store + '/' + name, { fetch: (url, o) => fetch(url, { ...o, credentials: 'include' }) })

async function session () {
  const before = await ask(settings.store + '/_session', { credentials: 'include' })
  equal(before.body.userCtx.name, null)
  const login = await ask(settings.store + '/_session', {
    method: 'POST',
    credentials: 'include',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'admin', password: 'secret' })
  })
  equal(login.status, 200)
  equal(document.cookie, '', 'scripts do not see the session')
  const after = await ask(settings.store + '/_session', { credentials: 'include' })
  equal(after.body.userCtx, { name: 'admin', roles: ['_admin'] })
  equal((await ask(settings.store + '/_session')).body.userCtx.name, null, 'a request without credentials')
}

async function documents () {
  const db = open('pages')
  const { rev } = await db.put({ _id: 'a/b ü', n: 1 })
  equal(await db.get('a/b ü'), { _id: 'a/b ü', _rev: rev, n: 1 })
  await rejects(db.put({ _id: 'a/b ü', n: 2 }), 'conflict')
  const plain = await ask(settings.store + '/pages/' + encodeURIComponent('a/b ü'), { credentials: 'include' })
  equal(plain.headers.get('ETag'), `"${rev}"`)
  equal((await ask(settings.store + '/pages/' + encodeURIComponent('a/b ü'), {
    method: 'PUT', credentials: 'include', headers: { 'If-Match': rev, 'Content-Type': 'application/json' }, body: '{"n":2}'
  })).status, 201)
  await db.createIndex({ index: { fields: ['n'] } })
  equal((await db.find({ selector: { n: 2 } })).docs.map(d => d._id), ['a/b ü'])
}

// An EventSource goes on by itself after the server was killed, from where it was.
async function events () {
  const db = open('pages')
  const since = (await db.info()).update_seq
  const source = new EventSource(`${settings.store}/pages/_changes?feed=eventsource&heartbeat=1000&since=${encodeURIComponent(since)}`, { withCredentials: true })
  const seen = []
  let arrived = () => {}
  source.onmessage = e => { seen.push(JSON.parse(e.data).id); arrived() }
  const until = async id => { while (!seen.includes(id)) await new Promise(resolve => { arrived = resolve }) }
  await db.put({ _id: 'event-0' })
  await until('event-0')
  for (let n = 1; n <= 2; n++) {
    await tell('kill')
    await tell('start')
    await db.put({ _id: 'event-' + n })
    await until('event-' + n)
  }
  source.close()
  equal(seen, ['event-0', 'event-1', 'event-2'])
}

// What the page keeps in the browser and the store are synced, with attachments, while the server is killed.
async function sync () {
  const local = new PouchDB('pages')
  const there = open('pages')
  const file = n => new Blob(['what a page has. '.repeat(5000), String(n)], { type: 'text/plain' })
  const doc = (_id, n) => ({ _id, n, _attachments: { file: { content_type: 'text/plain', data: file(n) } } })
  await local.put({ _id: 'torn', by: 'page' })
  await there.put({ _id: 'torn', by: 'store' })
  const ongoing = local.sync(there, { live: true, retry: true, batch_size: 5, back_off_function: () => 50 })
  const written = []
  for (let round = 0; round < 2; round++) {
    const moved = once(ongoing, 'change')
    const docs = Array.from({ length: 20 }, (_, n) => doc(`page-${round}-${n}`, n))
    written.push(...(await local.bulkDocs(docs)).map(r => r.id))
    await moved
    await tell('kill')
    await local.put(doc('offline-' + round, round))
    written.push('offline-' + round)
    await tell('start')
    await there.put(doc('afar-' + round, round))
    written.push('afar-' + round)
  }
  for (const db of [local, there]) {
    for (const id of written) {
      const attachment = await attached(db, id)
      const { n } = await db.get(id)
      equal(await attachment.text(), await file(n).text(), id)
    }
  }
  const [here, afar] = await Promise.all([local, there].map(db => db.get('torn', { conflicts: true })))
  equal([here._rev, here.by, here._conflicts], [afar._rev, afar.by, afar._conflicts])
  equal(here._conflicts.length, 1)
  ongoing.cancel()
  await once(ongoing, 'complete')
  await local.destroy()
}

// The attachment of a document once it is there.
async function attached (db, id) {
  const feed = db.changes({ since: 0, live: true, doc_ids: [id] })
  try { await once(feed, 'change') } finally { feed.cancel() }
  return db.getAttachment(id, 'file')
}

const bearer = () => ({ Authorization: 'Bearer ' + settings.token })
const post = (path, body, headers = bearer()) => ask(settings.queue + path, {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body)
})

async function queue () {
  const posted = await post('/queue?wait=60s', { url: settings.endpoint + '?order=1', params: { a: 'ü' } })
  equal([posted.status, posted.body.status], [201, 'done'], JSON.stringify(posted.body))
  equal((await tolds('?order=1')).map(c => [c.method, c.body, c.task]), [['POST', 'a=%C3%BC', posted.body.id]])
  const { body: task } = await ask(`${settings.queue}/queue/${posted.body.id}`, { headers: bearer() })
  equal(task.status, 'done')
  const result = await fetch(`${settings.queue}/queue/${posted.body.id}/result`, { headers: bearer() })
  equal([await result.text(), result.headers.get('Content-Type')], ['taken', 'text/plain; charset=utf-8'])

  const later = await post('/queue', { url: settings.endpoint + '?order=2', countdown: '1h', id: 'in-an-hour' })
  equal(later.status, 201)
  equal((await post('/queue', { url: settings.endpoint + '?order=3', countdown: '1h', id: 'in-an-hour' })).status, 409)
  equal((await ask(settings.queue + '/queue/in-an-hour', { method: 'DELETE', headers: bearer() })).status, 202)
  equal((await ask(settings.queue + '/queue/in-an-hour?wait=60s', { headers: bearer() })).body.status, 'canceled')
  equal((await post('/queue', { url: 'gopher://x' })).status, 400)
  equal((await post('/queue', { url: settings.endpoint }, { Authorization: 'Bearer wrong' })).status, 401)
  equal((await ask(settings.queue + '/ping/page?every=1h&worker=manobi', { method: 'POST', headers: bearer() })).status, 200)
}

// A request with a body and headers of its own is handed over, its URL plain or encoded in the path.
async function handed () {
  for (const [n, url] of [settings.endpoint, encodeURIComponent(settings.endpoint + '?order=later')].entries()) {
    const { body } = await ask(`${settings.queue}/later/${url}${n ? '' : '?order=later'}`, {
      method: 'PUT',
      headers: { ...bearer(), 'X-After-In': '10ms', 'X-Shop-Order': String(n), 'Content-Type': 'text/x-page' },
      body: 'as it is'
    })
    const { body: task } = await ask(`${settings.queue}/queue/${body.id}?wait=60s`, { headers: bearer() })
    equal(task.status, 'done', JSON.stringify(task))
  }
  equal((await tolds('?order=later')).map(c => [c.method, c.body, c.kind, c.order]), [0, 1].map(n => ['PUT', 'as it is', 'text/x-page', String(n)]))
}

// A beacon, which a page sends when it is left, is a form with the session's cookie.
async function beacon () {
  const form = new URLSearchParams({ 'task.url': settings.endpoint + '?order=beacon', 'task.id': 'beacon' })
  equal(navigator.sendBeacon(settings.queue + '/queue', form), true)
  for (;;) {
    const { status, body } = await ask(settings.queue + '/queue/beacon?wait=60s', { headers: bearer() })
    if (status === 404) continue // it is on its way
    return equal(body.status, 'done')
  }
}

// What an endpoint answers is shown from the queue's origin, but runs no script there; from its own it does.
async function frames () {
  const { body } = await post('/queue?wait=60s', { url: settings.endpoint + '?page=result', method: 'GET' })
  equal(body.status, 'done')
  const address = `${settings.queue}/queue/${body.id}/result`
  const result = await fetch(address, { credentials: 'include' })
  equal([result.status, result.headers.get('Content-Type')], [200, 'text/html; charset=utf-8'])
  for (const src of [address, settings.endpoint + '?page=own']) {
    const frame = document.createElement('iframe')
    const loaded = new Promise(resolve => { frame.onload = resolve })
    frame.src = src
    document.documentElement.append(frame)
    await loaded
  }
  equal((await tolds('')).filter(c => c.query.startsWith('?ran=')).map(c => c.query), ['?ran=own'])
}

// What the documentation shows does what it says: /documented.js has its blocks as functions, with the addresses of the test.
async function store () {
  const { note, feed, syncing } = await documented.store()
  equal([note._id, note.text], ['milk', 'buy some'])
  feed.close()
  syncing.cancel()
  await once(syncing, 'complete')
}

async function http () {
  const { status, report } = await documented.http(settings.token)
  equal([status, await report.text()], ['done', 'taken'])
  equal((await tolds('?order=documented')).map(c => c.body), ['month=2026-11'])
}

const tolds = async query => (await ask('/calls')).body.filter(c => query === '' || c.query === query)

// Tries what a page of another origin can try, which the browser sends with the session's cookie.
async function neighbour () {
  await rejects(fetch(settings.store + '/_session', { credentials: 'include' }), 'TypeError')
  await rejects(fetch(settings.store + '/pages/new', { method: 'PUT', credentials: 'include', body: '{}' }), 'TypeError')
  await rejects(post('/queue', { url: settings.endpoint }, {}), 'TypeError')
  const stolen = id => new URLSearchParams({ 'task.url': settings.endpoint + '?stolen', 'task.worker': 'manobi', 'task.id': id })
  await rejects(fetch(settings.queue + '/queue', { method: 'POST', mode: 'no-cors', credentials: 'include', body: stolen('stolen-form') }), 'TypeError')
  const image = new Image()
  const failed = new Promise(resolve => { image.onerror = resolve })
  image.src = `${settings.queue}/later/${encodeURIComponent(settings.endpoint + '?stolen')}?after.worker=manobi&after.id=stolen-image`
  await failed
  const frame = document.createElement('iframe')
  frame.name = 'stealing'
  document.documentElement.append(frame)
  const loaded = new Promise(resolve => { frame.onload = resolve })
  const form = document.createElement('form')
  Object.assign(form, { method: 'POST', action: settings.queue + '/queue', target: frame.name })
  for (const [name, value] of stolen('stolen-frame')) form.append(Object.assign(document.createElement('input'), { name, value }))
  document.documentElement.append(form)
  form.submit()
  await loaded
}

async function main () {
  settings = (await ask('/settings')).body
  const parts = location.hash === '#neighbour' ? [neighbour] : [session, documents, events, sync, queue, handed, beacon, frames, store, http]
  for (const part of parts) {
    try {
      await part()
    } catch (e) {
      return tell(`${part.name}: ${e.stack || e.message || JSON.stringify(e)}`)
    }
    await tell(part.name + ': ok')
  }
  if (location.hash === '') location = settings.neighbour
  else await tell('end')
}

addEventListener('load', main)
