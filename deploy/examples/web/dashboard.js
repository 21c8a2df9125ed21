// Metrics of the server's machine as charts, and the changes of a database as a table, both as they come.
import {EndedError, ServerError} from './client/index.js';
import {Chart} from './chart.js';
import {byId, bytesText, element} from './dom.js';
import {Session} from './session.js';

const METRICS = new URLSearchParams(location.search).get('metrics') || 'db_conn_123';
const HISTORY = 900;
const CHANGES_SHOWN = 200;
const BAR_MS = 5000;

const percent = (value) => `${Math.round(value)} %`;
const rate = (value) => `${bytesText(value)}/s`;
const count = (value) => (value >= 100 ? Math.round(value).toLocaleString() : String(Math.round(value * 100) / 100));

/** Those with nothing to show yet are not there: which members a record has depends on the source. */
const charts = [
  {title: 'CPU and memory', format: percent, ceiling: {fixed: 100}, series: [{key: 'cpu_usage', label: 'CPU'}, {key: 'memory_usage', label: 'Memory'}]},
  {title: 'Load', format: count, series: [{key: 'load_1', label: '1 min'}, {key: 'load_5', label: '5 min'}, {key: 'load_15', label: '15 min'}]},
  {title: 'Network', format: rate, ceiling: {least: 4000}, series: [{key: 'network_receive_rate', label: 'Received'}, {key: 'network_send_rate', label: 'Sent'}]},
  {title: 'Disk', format: rate, ceiling: {least: 4000}, series: [{key: 'disk_read_rate', label: 'Read'}, {key: 'disk_write_rate', label: 'Written'}]},
  {title: 'Database', format: count, ceiling: {least: 4}, series: [{key: 'transactions_per_second', label: 'Transactions/s'}, {key: 'active_connections', label: 'Active connections'}]},
].map((options) => ({chart: new Chart(options), keys: options.series.map(({key}) => key), there: false}));

const changesChart = new Chart({
  title: 'Changes in 5 seconds', format: count, ceiling: {least: 4}, bars: BAR_MS,
  series: [{key: 'insert', label: 'Inserts'}, {key: 'update', label: 'Updates'}, {key: 'delete', label: 'Deletes'}],
});
byId('changes-chart').append(changesChart.card);

const session = new Session(opened);
/** How far each subscription has come is the client's; a page that comes back begins with the history. */
async function opened(client) {
  await Promise.all([followMetrics(client), findDatabases(client)]);
}

// --- Metrics ---

async function followMetrics(client) {
  byId('resource').textContent = METRICS;
  const note = byId('metrics-note');
  let metrics;
  try {
    metrics = await client.subscribe('metrics', METRICS, undefined, {history: HISTORY});
  } catch (error) {
    note.textContent = `There are no metrics of ${METRICS}: ${reasonOf(error)}.`;
    return;
  }
  metrics.on('gap', () => charts.forEach(({chart}) => chart.lose()));
  void watch(metrics, note, (record) => {
    note.hidden = true;
    const time = Date.parse(record.timestamp);
    if (Number.isNaN(time)) return;
    for (const each of charts) {
      if (!each.there && each.keys.some((key) => typeof record[key] === 'number')) {
        each.there = true;
        byId('charts').append(each.chart.card);
      }
      if (each.there) each.chart.add(time, record);
    }
  });
}

/** Every record of a subscription; says so when the server ends it. */
async function watch(subscription, note, take) {
  try {
    for await (const record of subscription) take(record);
  } catch (error) {
    note.hidden = false;
    note.textContent = `The server has ended ${subscription.streamType} of ${subscription.resourceId}: ${reasonOf(error)}.`;
  }
}

function reasonOf(error) {
  if (error instanceof ServerError) return error.details.reason ? `${error.message} (${error.details.reason})` : error.message;
  return error instanceof EndedError ? error.reason : error.message;
}

for (const choice of document.querySelectorAll('input[name=span]')) {
  choice.onchange = () => {
    for (const {chart} of charts) chart.show(choice.value * 1000);
    changesChart.show(choice.value * 1000);
  };
}

// --- Database changes ---

let changes;

async function findDatabases(client) {
  const note = byId('changes-note');
  let found;
  try {
    const {resources = []} = await client.call('streams.list_resources', {stream_type: 'STREAM_TYPE_DATABASE_CHANGES'});
    found = resources.map(({resource_id: id}) => id);
  } catch (error) {
    note.textContent = `Which databases there are could not be learnt: ${reasonOf(error)}.`;
    return;
  }
  if (found.length === 0) {
    note.textContent = 'This server follows no database. deploy/examples/web/README.md tells how to have it follow one.';
    return;
  }
  byId('pick').hidden = found.length < 2;
  byId('databases').replaceChildren(...found.map((id) => element('option', {}, id)));
  byId('databases').onchange = () => void followChanges(client, byId('databases').value);
  await followChanges(client, found[0]);
}

async function followChanges(client, id) {
  await changes?.unsubscribe().catch(() => {});
  byId('database').textContent = id;
  const note = byId('changes-note');
  const rows = byId('changes');
  rows.replaceChildren();
  changesChart.samples = [];
  changesChart.draw();
  try {
    changes = await client.subscribe('database_changes', id, undefined, {history: CHANGES_SHOWN, batch_interval: 200});
  } catch (error) {
    note.textContent = `The changes of ${id} cannot be followed: ${reasonOf(error)}.`;
    return;
  }
  note.textContent = 'Nothing has changed yet.';
  byId('changes-chart').hidden = byId('changes-table').hidden = false;
  changes.on('gap', ({reason}) => {
    changesChart.lose();
    addRow(element('tr', {class: 'lost'}, element('td', {colspan: '5'}, `Changes are missing here (${reason})`)));
  });
  void watch(changes, note, (change) => {
    note.hidden = true;
    const time = Date.parse(change.timestamp);
    if (['insert', 'update', 'delete'].includes(change.action)) changesChart.add(time, {[change.action]: 1});
    addRow(changeRow(change, time));
  });
}

function addRow(row) {
  const rows = byId('changes');
  rows.prepend(row);
  while (rows.childElementCount > CHANGES_SHOWN) rows.lastElementChild.remove();
}

const SERIES = {insert: 's1', update: 's2', delete: 's3'};

function changeRow(change, time) {
  // Under REPLICA IDENTITY FULL there is no identity; most tables have an `id` all the same.
  const {id} = change.new ?? change.old ?? {};
  const identity = change.identity ?? (id === undefined ? {} : {id});
  const row = Object.entries(identity).map(([column, value]) => `${column} ${show(value)}`).join(', ');
  return element('tr', {class: 'new'},
    element('td', {}, element('time', {datetime: change.timestamp}, new Date(time).toLocaleTimeString())),
    element('td', {}, change.schema === 'public' ? String(change.table) : `${change.schema}.${change.table}`),
    element('td', {}, element('span', {class: `action ${SERIES[change.action] ?? ''}`}, String(change.action))),
    element('td', {}, row || '–'),
    element('td', {}, ...values(change, identity)));
}

/** The row's values; of an update, where the old row is known, those that changed. */
function values({new: now, old}, identity) {
  const shown = now ?? old ?? {};
  return Object.entries(shown)
    .filter(([column, value]) => !(column in identity) && !(now && old && column in old && show(old[column]) === show(value)))
    .map(([column, value]) => element('span', {class: 'value'}, element('span', {class: 'column'}, `${column} `),
      ...(now && old && column in old ? [element('span', {class: 'was'}, show(old[column]))] : []), show(value)));
}

function show(value) {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '–';
}

void session.start();
