import { isIPv4 } from "node:net";
import { ClusterError } from "../base/errors.js";

/** Prefix lengths that leave room for a gateway and one container, and that one host can fill. */
const PREFIX_MIN = 8;
const PREFIX_MAX = 30;

/**
 * The addresses of one subnet. The first is the gateway's; the others are given out in turn, so that one that was given back is not used
 * again soon, while others may still remember whose it was.
 */
export class AddressPool {
  readonly subnet: string;
  readonly prefix: number;
  readonly #first: number;
  readonly #last: number;
  readonly #taken = new Set<number>();
  #next: number;

  /** Throws ClusterError `invalid_argument` for what is no IPv4 subnet. */
  constructor(subnet: string) {
    const [base = "", length = ""] = subnet.split("/");
    this.prefix = Number(length);
    if (!isIPv4(base) || !/^\d+$/.test(length) || this.prefix < PREFIX_MIN || this.prefix > PREFIX_MAX) {
      throw new ClusterError("invalid_argument", `"${subnet}" is not an IPv4 subnet with a prefix from ${PREFIX_MIN} to ${PREFIX_MAX}`);
    }
    const size = 2 ** (32 - this.prefix);
    const network = Math.floor(numberOf(base) / size) * size;
    this.subnet = `${textOf(network)}/${this.prefix}`;
    this.#first = network + 2;
    this.#last = network + size - 2;
    this.#next = this.#first;
  }

  get gateway(): string {
    return textOf(this.#first - 1);
  }

  get total(): number {
    return this.#last - this.#first + 1;
  }

  /** A free address. Throws ClusterError `unavailable` when there is none. */
  take(): string {
    if (this.#taken.size >= this.total) {
      throw new ClusterError("unavailable", `no address left in ${this.subnet}: ${this.#taken.size} of ${this.total} are in use`);
    }
    while (this.#taken.has(this.#next)) this.#step();
    const address = this.#next;
    this.#taken.add(address);
    this.#step();
    return textOf(address);
  }

  /** Notes an address that is in use already; one of another subnet is not ours to note. */
  reserve(address: string): void {
    const number = numberOf(address);
    if (number < this.#first || number > this.#last) return;
    this.#taken.add(number);
    if (number >= this.#next) {
      this.#next = number;
      this.#step();
    }
  }

  release(address: string): void {
    this.#taken.delete(numberOf(address));
  }

  #step(): void {
    this.#next = this.#next >= this.#last ? this.#first : this.#next + 1;
  }
}

/** The hardware address that goes with an IPv4 address: locally administered, and as unique as the address. */
export function macAddressOf(address: string): string {
  return ["02", "42", ...address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

function numberOf(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
