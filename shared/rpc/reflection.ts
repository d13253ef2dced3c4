import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService as V1,
} from '#proto/grpc/reflection/v1/reflection.js';
import { ServerReflectionService as V1Alpha } from '#proto/grpc/reflection/v1alpha/reflection.js';
import { projectRoot } from '../paths.js';

type Answer = ServerReflectionResponse['messageResponse'];

/** The files of a descriptor set, untouched, with what they define and import. */
interface Descriptors {
  readonly bytes: ReadonlyMap<string, Uint8Array>;
  readonly imports: ReadonlyMap<string, readonly string[]>;
  /** Fully qualified name → file. */
  readonly symbols: ReadonlyMap<string, string>;
}

/**
 * Adds server reflection (v1 and v1alpha) for the given services, answered from the descriptor set that the build writes
 * (`proto/gen/image.binpb`): the bytes of each file are passed on as they are, so that imports resolve in every client.
 */
export function addReflection(server: grpc.Server, services: readonly string[]): void {
  const descriptors = readDescriptors(readFileSync(join(projectRoot, 'proto/gen/image.binpb')));
  const serverReflectionInfo: grpc.handleBidiStreamingCall<
    ServerReflectionRequest,
    ServerReflectionResponse
  > = (call) => {
    call.on('data', (request: ServerReflectionRequest) => {
      call.write({
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(descriptors, services, request),
      });
    });
    call.on('end', () => call.end());
    call.on('error', () => call.end());
  };
  server.addService(V1, { serverReflectionInfo });
  server.addService(V1Alpha, { serverReflectionInfo });
}

function answer(
  descriptors: Descriptors,
  services: readonly string[],
  request: ServerReflectionRequest,
): Answer {
  switch (request.messageRequest?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesAnswer(descriptors, request.messageRequest.value);
    case 'fileContainingSymbol':
      return filesAnswer(descriptors, descriptors.symbols.get(request.messageRequest.value));
    default:
      return errorAnswer(grpc.status.UNIMPLEMENTED, 'this kind of reflection request is not supported');
  }
}

function filesAnswer(descriptors: Descriptors, file: string | undefined): Answer {
  if (file === undefined || !descriptors.bytes.has(file))
    return errorAnswer(grpc.status.NOT_FOUND, 'no such file or symbol');
  const found = new Map<string, Uint8Array>();
  const collect = (name: string): void => {
    const bytes = descriptors.bytes.get(name);
    if (!bytes || found.has(name)) return;
    found.set(name, bytes);
    for (const imported of descriptors.imports.get(name) ?? []) collect(imported);
  };
  collect(file);
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...found.values()] } };
}

function errorAnswer(errorCode: number, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}

function readDescriptors(image: Uint8Array): Descriptors {
  const bytes = new Map<string, Uint8Array>();
  const imports = new Map<string, readonly string[]>();
  const symbols = new Map<string, string>();
  const reader = new BinaryReader(image);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field !== 1) {
      reader.skip(wire, field);
      continue;
    }
    const raw = reader.bytes();
    const file = fromBinary(FileDescriptorProtoSchema, raw);
    bytes.set(file.name, raw);
    imports.set(file.name, [...file.dependency]);
    for (const symbol of symbolsOf(file)) symbols.set(symbol, file.name);
  }
  return { bytes, imports, symbols };
}

function* symbolsOf(file: FileDescriptorProto): Generator<string> {
  const scope = file.package ? `${file.package}.` : '';
  for (const message of file.messageType) yield* symbolsOfMessage(scope, message);
  for (const entry of file.enumType) yield scope + entry.name;
  for (const service of file.service) {
    yield scope + service.name;
    for (const method of service.method) yield `${scope}${service.name}.${method.name}`;
  }
}

function* symbolsOfMessage(scope: string, message: DescriptorProto): Generator<string> {
  const name = scope + message.name;
  yield name;
  for (const field of message.field) yield `${name}.${field.name}`;
  for (const entry of message.enumType) yield `${name}.${entry.name}`;
  for (const nested of message.nestedType) yield* symbolsOfMessage(`${name}.`, nested);
}
