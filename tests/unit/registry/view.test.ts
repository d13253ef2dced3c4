import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeRecord, keyOf, type StoredRecord } from '#services/expert-registry/records.js';
import type { RegistryStore } from '#services/expert-registry/store.js';
import { StoreConflict } from '#services/expert-registry/store.js';
import { createTransactions } from '#services/expert-registry/transaction.js';
import { createView, type View } from '#services/expert-registry/view.js';
import { watchExperts } from '#services/expert-registry/watch.js';

const time = new Date(0);

function feed(view: View, revision: number, record: StoredRecord): void {
  view.apply({ key: keyOf(record), value: encodeRecord(record), revision, time, trace: new Map() });
}

const alias = (version: string | undefined, name = 'stable'): StoredRecord => ({
  kind: 'alias',
  model: 'toy',
  expert: 'math',
  alias: name,
  version,
});

describe('the view', () => {
  test('takes every revision once, in order', () => {
    const view = createView();
    feed(view, 1, alias('a'));
    feed(view, 1, alias('b'));
    feed(view, 4, alias('c'));
    feed(view, 3, alias('d'));
    assert.equal(view.experts.get('toy/math')?.aliases.get('stable')?.version, 'c');
    assert.deepEqual(
      view.log.map(({ revision }) => revision),
      [1, 4],
    );
  });

  test('keeps a record that makes no sense as a fault, and forgets it when it is written anew', () => {
    const view = createView();
    view.apply({
      key: 'alias.toy.math.stable',
      value: Buffer.from('?'),
      revision: 1,
      time,
      trace: new Map(),
    });
    assert.deepEqual([...view.faults.keys()], ['alias.toy.math.stable']);
    assert.equal(view.revision, 1);
    feed(view, 2, alias('a'));
    assert.equal(view.faults.size, 0);
  });

  test('tells who waits when a revision is reached, and gives up in time', async () => {
    const view = createView();
    const waiting = view.reached(2, 1000);
    feed(view, 1, alias('a'));
    feed(view, 2, alias('b'));
    await waiting;
    await assert.rejects(view.reached(3, 20), {
      reason: 'REGISTRY_UNAVAILABLE',
      message: "the registry's view is at revision 2 and did not reach 3 within 20 ms",
    });
  });

  test('drops the oldest changes beyond its limit and refuses to resume from them', async () => {
    const view = createView(20);
    for (let revision = 1; revision <= 21; revision += 1) feed(view, revision, alias(`v${revision}`));
    assert.equal(view.forgotten, 2);
    assert.equal(view.log.length, 19);
    const watch = (afterRevision: number) =>
      watchExperts(
        { view, store: { connected: true } as RegistryStore },
        { model: '', afterRevision, signal: new AbortController().signal },
      );
    await assert.rejects(watch(1).next(), {
      reason: 'REVISION_UNAVAILABLE',
      message: 'revision 1 is no longer kept: watch from 0',
    });
    const resumed = watch(2);
    assert.equal((await resumed.next()).value?.revision, 3n);
    await resumed.return(undefined as never);
  });
});

describe('a watch', () => {
  test('is kept alive while the store is there and silent while it is away', async () => {
    const view = createView();
    feed(view, 1, alias('a'));
    const store = { connected: true };
    const stopping = new AbortController();
    const watch = watchExperts(
      { view, store: store as RegistryStore },
      { model: '', afterRevision: 1, signal: stopping.signal, keepAliveMs: 20 },
    );
    const plain = { revision: 1n, event: undefined, current: true };
    assert.deepEqual((await watch.next()).value, plain, 'the mark');
    assert.deepEqual((await watch.next()).value, plain, 'a keep-alive');
    store.connected = false;
    const next = watch.next();
    const silent = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 100, 'silence'))]);
    assert.equal(silent, 'silence');
    store.connected = true;
    assert.deepEqual((await next).value, plain);
    const last = watch.next();
    stopping.abort(new Error('enough'));
    await assert.rejects(last, /enough/);
  });
});

describe('a transaction', () => {
  /** A store that loses `conflicts` races, then writes; each lost race is another's write that the view sees. */
  function racing(view: View, conflicts: number) {
    let revision = 0;
    const writes: number[] = [];
    const store = {
      connected: true,
      async append({
        expectedRevision,
        key,
        value,
      }: {
        expectedRevision: number;
        key: string;
        value: Uint8Array | undefined;
      }) {
        revision += 1;
        if (conflicts > 0) {
          conflicts -= 1;
          feed(view, revision, alias(`other${revision}`, 'theirs'));
          throw new StoreConflict('wrong last sequence');
        }
        assert.equal(expectedRevision, revision - 1);
        writes.push(revision);
        view.apply({ key, value, revision, time, trace: new Map() });
        return revision;
      },
    };
    return { store: store as unknown as RegistryStore, writes };
  }

  test('decides again after every lost race, on what the winner wrote', async () => {
    const view = createView();
    const { store, writes } = racing(view, 3);
    const decidedOn: number[] = [];
    const { revision } = await createTransactions(store, view).run((seen) => {
      decidedOn.push(seen.revision);
      return { write: alias('mine'), result: undefined };
    });
    assert.deepEqual(decidedOn, [0, 1, 2, 3]);
    assert.equal(revision, 4);
    assert.deepEqual(writes, [4]);
  });

  test('gives up after a hundred lost races', async () => {
    const view = createView();
    const { store } = racing(view, 1000);
    const run = createTransactions(store, view).run(() => ({ write: alias('mine'), result: undefined }));
    await assert.rejects(run, {
      reason: 'REGISTRY_UNAVAILABLE',
      message: 'the registry lost 100 races in a row',
    });
  });

  test('that fails does not hold up the next one', async () => {
    const view = createView();
    const transactions = createTransactions(racing(view, 0).store, view);
    const refused = transactions.run(() => {
      throw new Error('refused');
    });
    const next = transactions.run(() => ({ write: alias('mine'), result: 7 }));
    await assert.rejects(refused, /refused/);
    assert.deepEqual(await next, { result: 7, revision: 1 });
  });
});
