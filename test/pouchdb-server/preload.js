// Loaded before PouchDB Server (node --require) by the tests that start it.
//
// It keeps the process alive through an exception within a request (a changes feed with the _selector filter is one: the
// request fails, as a known gap, and must not take all others with it), says on which port the server listens, and ends it
// together with the test.
'use strict';

const net = require('net');

process.on('uncaughtException', (err) => console.error('uncaught exception:', err));
process.on('unhandledRejection', (err) => console.error('unhandled rejection:', err));

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  this.once('listening', () => {
    const address = this.address();
    if (address && address.port) {
      console.log('listening on port ' + address.port);
    }
  });
  return listen.apply(this, args);
};

// The test holds the other end: whatever way it ends, so does the server.
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
