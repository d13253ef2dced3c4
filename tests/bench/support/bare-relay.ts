/**
 * A program: the least that a relay on the same gRPC library does. It passes GenerateTokens on, bytes as they are, without
 * tracing, checks, deadlines or metrics. `bare-relay.js host:port`; says its own port by IPC.
 */
import * as grpc from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;
const definition = {
  generateTokens: {
    path: '/zmesh.v1.InferenceService/GenerateTokens',
    requestStream: false,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};
const Client = grpc.makeGenericClientConstructor(definition, 'InferenceService');
const client = new Client(process.argv[2]!, grpc.credentials.createInsecure());
const generateTokens = client.generateTokens!.bind(client) as unknown as (
  request: Buffer,
) => grpc.ClientReadableStream<Buffer>;
const server = new grpc.Server();
server.addService(definition, {
  generateTokens(call: grpc.ServerWritableStream<Buffer, Buffer>) {
    const answer = generateTokens(call.request);
    answer.on('data', (message: Buffer) => call.write(message));
    answer.on('end', () => call.end());
    answer.on('error', (error) => call.emit('error', error));
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ port });
});
process.on('disconnect', () => process.exit(0));
