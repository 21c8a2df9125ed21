// What the pages share: where the token comes from, one client that is kept up, and a status that tells how it is.
import {AuthenticationError, ConnectionLostError, CovetPyWebSocketClient, EndedError} from './client/index.js';
import {byId, element} from './dom.js';

const TOKEN = 'covet.token';
const MAX_WAIT_MS = 10_000;
const ADDRESS = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;

/** From the address's fragment, which no server ever sees; after that from this tab's own storage. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) {
    sessionStorage.setItem(TOKEN, token);
    // Neither the history nor a copied address keeps it.
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}

// A link with another token, opened where the page is open already, changes the fragment only.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) location.reload();
});

/** Links to the other pages carry the token, so that they open in other tabs too. */
export function linkPages() {
  const token = takeToken();
  for (const link of document.querySelectorAll('a[data-page]')) {
    if (token) link.hash = `token=${token}`;
  }
  return token !== null;
}

/**
 * One connection for the page. `opened(client)` is called with each client that has connected: the first, and another one
 * when the user comes back after `leave()` or signs in anew. A connection that breaks is mended by the client itself.
 */
export class Session {
  constructor(opened) {
    this.opened = opened;
    this.client = undefined;
    this.status = byId('status');
  }

  async start() {
    linkPages();
    const token = takeToken();
    if (!token) return this.askForToken('These pages need a token. Open the link that ./dev example prints, or paste a token here.');
    this.tell('connecting', 'Connecting…');
    for (let wait = 500; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
      const client = new CovetPyWebSocketClient({url: ADDRESS, token, reconnect: {maxAttempts: Infinity}});
      this.client = client;
      try {
        await client.connect();
      } catch (error) {
        if (this.client !== client) return;
        if (!(error instanceof ConnectionLostError)) return this.onEnded(client, error);
        this.tell('reconnecting', 'No connection, trying again…');
        await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
        if (this.client !== client) return;
        continue;
      }
      client.on('disconnected', () => this.client === client && this.tell('reconnecting', 'Reconnecting…'));
      client.on('connected', () => this.client === client && this.tell('online', 'Online'));
      client.on('ended', (error) => this.onEnded(client, error));
      const user = byId('user');
      if (user) user.textContent = client.userId;
      this.tell('online', 'Online');
      try {
        await this.opened(client);
      } catch (error) {
        if (this.client === client) this.alert(error.message);
      }
      return;
    }
  }

  /** Until `start()`. */
  async leave() {
    const client = this.client;
    this.client = undefined;
    this.tell('offline', 'Offline');
    await client?.close();
  }

  /** What went wrong, until the next one; '' clears it. */
  alert(text) {
    const box = byId('alert');
    box.textContent = text;
    box.hidden = text === '';
  }

  tell(state, text) {
    this.status.dataset.state = state;
    this.status.textContent = text;
    document.body.dataset.state = state;
    if (state === 'online') this.alert('');
  }

  onEnded(client, error) {
    if (this.client !== client) return;
    this.client = undefined;
    if (error instanceof AuthenticationError) {
      sessionStorage.removeItem(TOKEN);
      this.askForToken(error.code === 'AUTH_EXPIRED' ? 'The token has ended. ./dev example prints a link with a new one.' : `The token is refused: ${error.message}.`);
    } else if (!(error instanceof EndedError)) {
      this.tell('ended', 'Disconnected');
      this.alert(`The connection has ended: ${error.message}. Load the page again to come back.`);
    }
  }

  askForToken(why) {
    this.tell('signed-out', 'Signed out');
    byId('sign-in')?.remove();
    const input = element('input', {id: 'token', name: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false'});
    const form = element('form', {id: 'sign-in', class: 'card sign-in', 'aria-labelledby': 'sign-in-title'},
      element('h2', {id: 'sign-in-title'}, 'Sign in'),
      element('p', {}, why),
      element('div', {class: 'row'}, element('label', {for: 'token'}, 'Token'), input, element('button', {class: 'primary'}, 'Sign in')));
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(TOKEN, input.value.trim());
      form.remove();
      void this.start();
    };
    document.querySelector('main').before(form);
    input.focus();
  }
}
