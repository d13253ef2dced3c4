/**
 * What gzip would save of the mesh's messages, and when that pays: `npm run bench -- compression`. Real answers of a mesh with
 * octo-nano, compressed with zlib's default level as gRPC libraries do. "Pays below" is the link speed under which the
 * saved bytes take longer to send than compressing and expanding them takes: bits saved / time of both.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { GenerateResponse, ListModelsResponse } from '#proto/zmesh/v1/dispatcher.js';
import {
  GetExpertVectorsResponse,
  GetModelResponse,
  ListExpertsResponse,
  PublishExpertRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshClient } from '#shared/client/client.js';
import { startClientMesh } from '../clients/mesh.js';

const ROUND_MS = 200;

const mesh = await startClientMesh();
const client = new ZmeshClient({ address: mesh.dispatcher, registryAddress: mesh.registry });
try {
  console.log('message                          bytes   gzip  share  µs both ways  pays below');
  for (const [name, bytes] of await messages()) console.log(row(name, bytes));
} finally {
  client.close();
  await mesh.stop();
}

/** One message of each kind that is either frequent or big. */
async function messages(): Promise<readonly (readonly [string, Uint8Array])[]> {
  const question = { prompt: 'Mia has 517 cards and buys 225 more. How many cards now?' };
  const stream = client.dispatcher.generate({
    requestId: '',
    model: '',
    prompt: {
      input: { $case: 'chat', value: { messages: [{ role: 'user', content: question.prompt }] } },
    },
    strategy: undefined,
    sampling: undefined,
    n: 1,
    priority: 0,
  });
  const seen = new Map<string, Uint8Array>();
  for await (const message of stream)
    seen.set(message.event?.$case ?? '', GenerateResponse.encode(message).finish());
  const vectors = await client.registry.getExpertVectors({ name: 'octo-nano/math@stable' });
  const publish = PublishExpertRequest.create({ spec: vectors.expert?.spec, vectors: vectors.vectors });
  const model = await client.registry.getModel({ name: 'octo-nano' });
  const filter = { model: '', name: '', includeRetired: true, pageSize: 500, pageToken: '' };
  return [
    ['Generate: a delta', seen.get('delta')!],
    ['Generate: the receipt', seen.get('receipt')!],
    ['ListModels', ListModelsResponse.encode(await client.dispatcher.listModels({})).finish()],
    [
      'ListExperts, 4 versions',
      ListExpertsResponse.encode(await client.registry.listExperts(filter)).finish(),
    ],
    ['GetModel: the manifest', GetModelResponse.encode(model).finish()],
    ['GetExpertVectors', GetExpertVectorsResponse.encode(vectors).finish()],
    ['PublishExpert (a request)', PublishExpertRequest.encode(publish).finish()],
  ];
}

function row(name: string, bytes: Uint8Array): string {
  const packed = gzipSync(bytes);
  const us = microseconds(() => gunzipSync(gzipSync(bytes)));
  const saved = bytes.length - packed.length;
  const pays = saved <= 0 ? 'never' : `${((saved * 8) / us).toFixed(0)} Mbit/s`;
  const share = (packed.length / bytes.length).toFixed(2);
  return [
    name.padEnd(30),
    String(bytes.length).padStart(7),
    String(packed.length).padStart(7),
    share.padStart(6),
    us.toFixed(0).padStart(13),
    pays.padStart(11),
  ].join(' ');
}

/** Mean time of one run after a warm-up. */
function microseconds(work: () => unknown): number {
  for (let i = 0; i < 20; i++) work();
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < ROUND_MS) {
    work();
    runs++;
  }
  return ((performance.now() - start) * 1000) / runs;
}
