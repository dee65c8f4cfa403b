// A mail server for tests: it takes mails over SMTP as smtp-server does it, reads them as mailparser does, and tells of each in a line of JSON on
// its standard output. Its one argument is JSON: port, key, cert (PEM), secure (TLS from the beginning), user and password (it asks for them, over
// TLS alone), refuse (a list of recipients that it never takes), later (those that it puts off each time).
'use strict'

const { SMTPServer } = require('smtp-server')
const { simpleParser } = require('mailparser')

const options = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const refusal = (message, responseCode) => Object.assign(new Error(message), { responseCode })

const server = new SMTPServer({
  key: options.key,
  cert: options.cert,
  secure: Boolean(options.secure),
  authOptional: !options.user,
  disabledCommands: options.cert ? [] : ['STARTTLS'],
  onAuth (auth, session, done) {
    if (auth.username !== options.user || auth.password !== options.password) return done(refusal('who are you?', 535))
    done(null, { user: auth.username })
  },
  onRcptTo (address, session, done) {
    if ((options.later || []).includes(address.address)) return done(refusal('the mailbox is full', 452))
    done((options.refuse || []).includes(address.address) ? refusal('there is nobody of that name', 550) : null)
  },
  onData (stream, session, done) {
    const chunks = []
    stream.on('data', (chunk) => chunks.push(chunk))
    stream.on('end', () => {
      const raw = Buffer.concat(chunks)
      simpleParser(raw).then((mail) => {
        say({
          mail: {
            from: session.envelope.mailFrom.address,
            to: session.envelope.rcptTo.map((address) => address.address),
            secure: session.secure,
            user: session.user || '',
            headers: mail.headerLines.map((header) => header.line),
            id: mail.messageId,
            subject: mail.subject,
            text: mail.text,
            attachments: mail.attachments.map((a) => ({ name: a.filename, type: a.contentType, content: a.content.toString() }))
          }
        })
        done()
      }, done)
    })
  }
})

server.on('error', (err) => process.stderr.write(err.message + '\n'))
server.listen(options.port || 0, '127.0.0.1', () => say({ port: server.server.address().port }))
process.stdin.on('end', () => process.exit(0)).resume() // whoever started it is gone
