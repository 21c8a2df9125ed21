// What the agents of the JavaScript client do, wherever they run: nothing here is Node's own.

// Node.js 18 has these, but not as globals.
const {subtle} = globalThis.crypto ?? (await import('node:crypto')).webcrypto;
const File = globalThis.File ?? (await import('node:buffer')).File;

const describe = (error) => ({
  type: error.name === 'AbortError' ? 'Cancelled' : error.name, code: error.code, reason: error.reason, details: error.details, status: error.status,
  close_code: error.closeCode, rate_limit: error.rateLimit, message: error.message, cause: error.cause && String(error.cause),
});

const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

const base64Of = (bytes) => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

async function sha256(bytes) {
  return hex(new Uint8Array(await subtle.digest('SHA-256', bytes)));
}

/** The commands by name. `say` takes events; `sources` makes an upload's source of bytes, by the names that the platform has. */
function commandsOf({CovetPyWebSocketClient}, libraryUrl, say, sources) {
  const rooms = new Map();
  const subscriptions = new Map();
  const uploads = new Map();
  const aborting = new Map();
  const downloads = new Map();
  const calls = new Map();
  const listeners = new Map();
  const readers = new Map();
  let client;

  let held = Promise.resolve();
  let letGo = () => {};

  async function follow(source, name, of) {
    try {
      for await (const item of source) {
        say({event: name, ...of, item});
        await held;
      }
      say({event: `${name}_end`, ...of});
    } catch (error) {
      say({event: `${name}_end`, ...of, error: describe(error)});
    }
  }

  return {
    async connect({url, tokens = [], api_key, reconnect = {}, queue_size, listen = true}) {
      // A list is what a function yields, one after the other, the last one for ever; null is its failure.
      const yielding = () => {
        const next = tokens.length > 1 ? tokens.shift() : tokens[0];
        say({event: 'token_asked'});
        if (next === null) throw new Error('no token');
        return next;
      };
      const token = tokens.length > 1 ? yielding : tokens[0];
      client = new CovetPyWebSocketClient({
        url, token, apiKey: api_key, queueSize: queue_size,
        reconnect: {
          ...(reconnect.enabled !== undefined && {enabled: reconnect.enabled}),
          ...(reconnect.max_attempts && {maxAttempts: reconnect.max_attempts}),
          ...(reconnect.delay && {delay: reconnect.delay * 1000}),
        },
      });
      client.on('connected', () => say({event: 'connected'}));
      client.on('disconnected', (item) => say({event: 'disconnected', item}));
      client.on('ended', (error) => say({event: 'ended', error: describe(error)}));
      client.on('error', (error) => say({event: 'error', error: describe(error)}));
      if (listen) client.on('notification', (item) => say({event: 'notification', item}));
      client.on('notification_read', (item) => say({event: 'notification_read', item}));
      await client.connect();
      return {session_id: client.sessionId, user_id: client.userId};
    },
    session: async () => ({session_id: client.sessionId, user_id: client.userId}),
    // Readers take nothing more until `release`.
    hold: async () => void (held = new Promise((resolve) => (letGo = resolve))),
    release: async () => letGo(),
    read_notifications: async ({name = 'notification'}) => void follow(client.notifications(), name, {}),
    /** Milliseconds before each attempt. */
    async waits({max_attempts: maxAttempts, delay, attempts, close_code = 1006}) {
      const {waitBefore} = await import(new URL('reconnect.js', libraryUrl).href);
      return attempts.map((attempt) => waitBefore({enabled: true, maxAttempts, delay: delay * 1000}, attempt, close_code));
    },
    async join({room, options, quiet = false}) {
      const joined = await client.joinRoom(room, options);
      // One that reads only what it is told to.
      if (quiet) readers.set(room, joined[Symbol.asyncIterator]());
      if (rooms.get(room) !== joined) {
        rooms.set(room, joined);
        joined.on('gap', (item) => say({event: 'gap', of: room, item}));
        joined.on('metrics', (item) => say({event: 'metrics', of: room, item}));
        if (!quiet) void follow(joined, 'room_event', {of: room});
      }
      return {permissions: joined.permissions, member_count: joined.memberCount};
    },
    send: ({room, event_type = 'note', payload, idempotency_key: idempotencyKey, correlation_id: correlationId}) =>
      rooms.get(room).send(event_type, payload, {idempotencyKey, correlationId}),
    /** The offsets of so many events. */
    async read({room, count}) {
      const offsets = [];
      while (offsets.length < count) offsets.push((await readers.get(room).next()).value.offset);
      return offsets;
    },
    /** Reads on, and stops in the middle. */
    async abandon({room}) {
      // eslint-disable-next-line no-unreachable-loop
      for await (const _ of readers.get(room)) break;
      readers.delete(room);
    },
    /** As `abandon`, but by its own word; it is still held. */
    close_reader: async ({room}) => void (await readers.get(room).return()),
    async listen({room}) {
      listeners.set(room, (item) => say({event: 'heard', of: room, item}));
      rooms.get(room).on('event', listeners.get(room));
    },
    unlisten: async ({room}) => void rooms.get(room).off('event', listeners.get(room)),
    async relisten({room}) {
      rooms.get(room).off('event', listeners.get(room));
      rooms.get(room).on('event', listeners.get(room));
    },
    leave: ({room}) => rooms.get(room).leave(),
    async subscribe({as, stream_type, resource_id, filters, options, listen = false}) {
      const subscription = await client.subscribe(stream_type, resource_id, filters, options);
      subscriptions.set(as, subscription);
      subscription.on('gap', (item) => say({event: 'gap', of: as, item}));
      subscription.on('ended', ({reason}) => say({event: 'subscription_ended', of: as, item: {reason}}));
      if (listen) subscription.on('data', (item) => say({event: 'data', of: as, item}));
      else void follow(subscription, 'data', {of: as});
    },
    unsubscribe: ({as}) => subscriptions.get(as).unsubscribe(),
    /** The digest of so many bytes, by the platform and by the library itself. */
    async sha256_twice({length}) {
      const {sha256Slow} = await import(new URL('platform.js', libraryUrl).href);
      const bytes = Uint8Array.from({length}, (_, i) => i);
      return [await sha256(bytes), hex(sha256Slow(bytes))];
    },
    position: async ({of}) => (subscriptions.get(of) ?? rooms.get(of)).position ?? null,
    async call({as, method, params, timeout}) {
      const controller = new AbortController();
      calls.set(as, controller);
      return client.call(method, params, {...(timeout && {timeout: timeout * 1000}), signal: controller.signal});
    },
    cancel_call: async ({as}) => calls.get(as).abort(),
    async upload({as, base64, source = 'bytes', filename, size, chunk_size: chunkSize, metadata, upload_id: uploadId, aborted}) {
      aborting.set(as, new AbortController());
      if (aborted) aborting.get(as).abort();
      const upload = client.upload(sources[source](bytesOf(base64), filename), {
        filename, size, chunkSize, metadata, uploadId, onProgress: (sent, total) => say({event: 'progress', of: as, item: {sent, total}}),
        signal: aborting.get(as).signal,
      });
      uploads.set(as, upload);
      upload.on('status', (item) => say({event: 'status', of: as, item}));
      return upload.done;
    },
    /** As `upload`, once a source that has only `first` has failed under the same id, and at once. */
    async upload_again({first, size, ...upload}) {
      const {filename, chunk_size: chunkSize, upload_id: uploadId} = upload;
      const failing = client.upload(SOURCES.iterator(bytesOf(first)), {filename, size, chunkSize, uploadId});
      try {
        await failing.done;
      } catch {
        return this.upload(upload);
      }
    },
    cancel_upload: ({as}) => uploads.get(as).cancel(),
    abort_upload: async ({as}) => aborting.get(as).abort(),
    pause_upload: async ({as}) => uploads.get(as).pause(),
    resume_upload: async ({as}) => uploads.get(as).resume(),
    async download({as, file, offset, digest = false}) {
      const parts = [];
      downloads.set(as, new AbortController());
      const download = client.download(file, {
        offset, onProgress: (received) => say({event: 'download_progress', item: {received}}), signal: downloads.get(as).signal,
      });
      for await (const part of download) {
        parts.push(part);
        await held;
      }
      const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
      return digest ? {size: bytes.length, sha256: await sha256(bytes)} : base64Of(bytes);
    },
    abort_download: async ({as}) => downloads.get(as).abort(),
    close: () => client?.close(),
  };
}

/** Sources that every platform has. */
export const SOURCES = {
  bytes: (bytes) => bytes,
  array_buffer: (bytes) => bytes.buffer,
  blob: (bytes) => new Blob([bytes]),
  file: (bytes, name) => new File([bytes], name),
  // In parts that are no chunks.
  stream: (bytes) => new Blob([bytes]).stream(),
  async *iterator(bytes) {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  },
  async *text_iterator(bytes) {
    for await (const part of SOURCES.iterator(bytes)) yield String.fromCharCode(...part);
  },
};

/** What an argument `{unsendable: …}` stands for. */
const UNSENDABLE = {
  bigint: 1n,
  get cycle() {
    const cycle = [];
    cycle.push(cycle);
    return cycle;
  },
};

const argument = (_, value) => (value?.unsendable === undefined ? value : UNSENDABLE[value.unsendable]);

/** Carries out a line of JSON, and says what came of it: `{id, result}` or `{id, error}`. After `{command: 'close'}` nothing is left. */
export function agent(library, libraryUrl, say, sources = SOURCES) {
  const commands = commandsOf(library, libraryUrl, say, sources);
  return async (line) => {
    const {id, command, args} = JSON.parse(line, argument);
    try {
      say({id, result: (await commands[command](args)) ?? null});
    } catch (error) {
      say({id, error: describe(error)});
    }
  };
}
