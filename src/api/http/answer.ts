import type { FastifyReply } from "fastify";
import { type Json, stringifyJson } from "./json.js";

/** Newer clients compare the header literally: no charset. */
export const JSON_TYPE = "application/json";

/** Answers with JSON. As text, which goes out together with the head; with a serializer that leaves it alone, or fastify appends a charset to its type. */
export function sendJson(reply: FastifyReply, value: Json, status = 200): FastifyReply {
  return reply
    .code(status)
    .header("content-type", JSON_TYPE)
    .serializer(asItIs)
    .send(`${stringifyJson(value)}\n`);
}

const asItIs = (text: string) => text;

export function sendError(reply: FastifyReply, status: number, message: string): FastifyReply {
  return sendJson(reply, { message }, status);
}

export function sendEmpty(reply: FastifyReply, status = 200): FastifyReply {
  return reply.code(status).send();
}
