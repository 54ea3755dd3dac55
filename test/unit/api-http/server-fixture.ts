import type { FastifyInstance } from "fastify";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { activeBackend, FakeBackend } from "../../support/fake-backend.js";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Tests look into answers of every shape. */
  readonly json: ReturnType<typeof JSON.parse>;
}

/** The API over a fake backend, called without a socket. */
export interface Fixture {
  readonly backend: FakeBackend;
  readonly server: HttpServer;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export async function inactiveFixture(): Promise<Fixture> {
  return fixtureOf(new FakeBackend());
}

export async function activeFixture(logger = silentLogger): Promise<Fixture> {
  return fixtureOf(await activeBackend(), logger);
}

function fixtureOf(backend: FakeBackend, logger = silentLogger): Fixture {
  const server = createHttpServer({ backend, logger, clock: systemClock });
  return { backend, server, call: (...request) => call(server.app, ...request) };
}

async function call(app: FastifyInstance, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const payload = body === undefined ? {} : { payload: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body) };
  const response = await app.inject({ method: method as "GET", url: path, headers: { "content-type": "application/json", ...headers }, ...payload });
  const isJson = `${response.headers["content-type"]}`.includes("json");
  return {
    status: response.statusCode,
    headers: response.headers,
    text: response.body,
    json: isJson && response.body !== "" ? safeParse(response.body) : undefined,
  };
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A stream of JSON lines is looked at as text.
    return undefined;
  }
}

/** The least that a service needs. */
export function serviceBody(name: string, change: Record<string, unknown> = {}): Record<string, unknown> {
  return { Name: name, TaskTemplate: { ContainerSpec: { Image: "bb:v1" } }, ...change };
}
