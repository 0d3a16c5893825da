'use strict';

// Stands between a client and a server and notes every call on the wire.

const { once } = require('node:events');
const http2 = require('node:http2');

/** A relay to an address, open until the end of the test. */
async function startRelay(t, address) {
  const calls = [];
  const sessions = new Set();
  const target = http2.connect(`http://${address}`);
  target.on('error', () => {});
  const relay = http2.createServer();

  relay.on('session', session => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  relay.on('stream', (stream, headers) => {
    const call = { name: headers[':path'].split('/').pop(), headers, status: undefined };
    calls.push(call);
    const upstream = target.request(headers);
    let trailers = {};
    upstream.on('response', (answer, flags) => {
      if (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) {
        call.status = Number(answer['grpc-status']);
        stream.respond(answer, { endStream: true });
        return;
      }
      stream.respond(answer, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      upstream.pipe(stream);
    });
    upstream.on('trailers', received => {
      call.status = Number(received['grpc-status']);
      trailers = received;
    });
    upstream.on('error', () => stream.close());
    stream.on('error', () => upstream.close());
    stream.pipe(upstream);
  });

  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    target.destroy();
    relay.close();
  });
  return {
    address: `127.0.0.1:${relay.address().port}`,
    /** The calls so far, in their order. */
    calls,
    /** Their names, heartbeats left out: those come when they want. */
    names: () => calls.map(call => call.name).filter(name => name !== 'ClientHeartbeat'),
  };
}

module.exports = { startRelay };
