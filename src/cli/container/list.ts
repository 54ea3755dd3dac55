import { durationText } from "../../base/duration-text.js";
import { sizeText } from "../image-words.js";
import { type Column, ellipsis, shorten } from "../output.js";
import type { ContainerSummary } from "../shapes.js";
import { portWords } from "./port-words.js";

const COMMAND_LENGTH = 20;
const MOUNT_LENGTH = 15;

/** Columns of `container ls`, with docker's names for templates. `hasSize` adds that of what was written. */
export function containerColumns({ isWhole, hasSize }: { readonly isWhole: boolean; readonly hasSize: boolean }): readonly Column<ContainerSummary>[] {
  const brief = (text: string, length: number) => (isWhole ? text : ellipsis(text, length));
  return [
    { title: "CONTAINER ID", key: "ID", cell: ({ Id }) => shorten(Id, isWhole) },
    { title: "IMAGE", key: "Image", cell: (container) => imageWords(container, isWhole) },
    { title: "COMMAND", key: "Command", cell: ({ Command }) => JSON.stringify(brief(Command, COMMAND_LENGTH)) },
    { title: "CREATED", key: "RunningFor", cell: ({ Created }) => `${durationText(Date.now() - Created * 1000)} ago` },
    { title: "STATUS", key: "Status", cell: ({ Status }) => Status },
    { title: "PORTS", key: "Ports", cell: ({ Ports }) => portWords(Ports ?? []) },
    { title: "NAMES", key: "Names", cell: ({ Names }) => namesOf(Names, isWhole) },
    { ...(hasSize ? { title: "SIZE" } : {}), key: "Size", cell: sizeWords },
    { key: "CreatedAt", cell: ({ Created }) => createdAt(Created) },
    { key: "State", cell: ({ State }) => State },
    { key: "Labels", cell: ({ Labels }) => pairs(Labels) },
    {
      key: "Label",
      cell: () => "",
      value:
        ({ Labels }) =>
        (name: unknown) =>
          Labels?.[String(name)] ?? "",
    },
    { key: "Mounts", cell: ({ Mounts }) => (Mounts ?? []).map((mount) => brief(mount.Name || mount.Source, MOUNT_LENGTH)).join(",") },
    { key: "Networks", cell: ({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {}).join(",") },
    { key: "LocalVolumes", cell: ({ Mounts }) => String((Mounts ?? []).filter(({ Driver }) => Driver === "local").length) },
  ];
}

/** An image that lost its name is shown by its id. */
function imageWords({ Image, ImageID }: ContainerSummary, isWhole: boolean): string {
  if (Image === "") return "<no image>";
  const bare = (id: string) => id.replace(/^sha256:/, "");
  return !isWhole && shorten(bare(Image)) === shorten(bare(ImageID)) ? shorten(bare(Image)) : Image;
}

/** Links make names with more than one slash. */
function namesOf(names: readonly string[], isWhole: boolean): string {
  const own = names.map((name) => name.replace(/^\//, ""));
  return (isWhole ? own : own.filter((name) => !name.includes("/"))).join(",");
}

function sizeWords({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  return SizeRootFs > 0 ? `${sizeText(SizeRw)} (virtual ${sizeText(SizeRootFs)})` : sizeText(SizeRw);
}

function pairs(labels: ContainerSummary["Labels"]): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** As Go prints a time: `2026-11-21 17:00:00 +0000 UTC`, in this process's zone. */
export function createdAt(seconds: number): string {
  const date = new Date(seconds * 1000);
  const offset = -date.getTimezoneOffset();
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19).replace("T", " ");
  const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(date).find(({ type }) => type === "timeZoneName")?.value ?? "";
  return `${local} ${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}${two(Math.abs(offset) % 60)} ${zone}`;
}
