import * as grpc from '@grpc/grpc-js';

type Target = grpc.experimental.GrpcUri;
type Listener = grpc.experimental.ResolverListener;
type Endpoints = grpc.experimental.Endpoint[];

const SCHEME = 'list';

/**
 * gRPC's name of a peer: `host:port` alone stays as it is; several, separated by commas, are resolved one by one and used
 * together. Names and IP addresses may be mixed; one that cannot be resolved leaves the others usable.
 */
export function targetOf(address: string): string {
  return address.includes(',') ? `${SCHEME}:${address}` : address;
}

/** One address of the list, resolved by gRPC's own resolver. */
interface Part {
  readonly resolver: grpc.experimental.Resolver;
  /** Undefined until it was resolved. */
  found: Endpoints | grpc.StatusObject | undefined;
}

class AddressListResolver implements grpc.experimental.Resolver {
  readonly #parts: readonly Part[];
  readonly #listener: Listener;

  constructor(target: Target, listener: Listener, options: grpc.ChannelOptions) {
    this.#listener = listener;
    const addresses = target.path.split(',').map((address) => address.trim());
    this.#parts = addresses
      .filter((address) => address !== '')
      .map((address) => {
        const part: { -readonly [K in keyof Part]: Part[K] } = {
          found: undefined,
          resolver: grpc.experimental.createResolver(
            { scheme: 'dns', path: address },
            (result) => {
              // What was found before stays good while a name cannot be resolved again.
              if (result.ok) part.found = result.value;
              else if (!Array.isArray(part.found)) part.found = result.error;
              return this.#tell();
            },
            options,
          ),
        };
        return part;
      });
  }

  updateResolution(): void {
    for (const { resolver } of this.#parts) resolver.updateResolution();
  }

  destroy(): void {
    for (const { resolver } of this.#parts) resolver.destroy();
  }

  /** Tells all that is known as soon as one address is, and the first fault only if none can be. */
  #tell(): boolean {
    const endpoints = this.#parts.flatMap(({ found }) => (Array.isArray(found) ? found : []));
    if (endpoints.length > 0)
      return this.#listener(grpc.experimental.statusOrFromValue(endpoints), {}, null, '');
    const faults = this.#parts.flatMap(({ found }) => (found && !Array.isArray(found) ? [found] : []));
    const [fault] = faults;
    if (!fault || faults.length < this.#parts.length) return true;
    return this.#listener(grpc.experimental.statusOrFromError(fault), {}, null, '');
  }

  static getDefaultAuthority(target: Target): string {
    return target.path.split(',')[0] ?? '';
  }
}

grpc.experimental.registerResolver(SCHEME, AddressListResolver);
