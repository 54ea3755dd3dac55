import { sizeText } from "../image-words.js";
import type { Column } from "../output.js";
import type { ContainerSummary, ImageSummary } from "../shapes.js";

/** GET /system/df. */
export interface DiskUsageJson {
  readonly LayersSize?: number;
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers: readonly ContainerSummary[] | null;
  readonly Volumes: readonly VolumeUsage[] | null;
  readonly BuildCache?: readonly { readonly Size: number; readonly InUse: boolean; readonly Shared: boolean }[] | null;
}

export interface VolumeUsage {
  readonly Name: string;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number } | null;
}

/** One kind of what takes place, and how much of it could be had back. */
export interface UsageRow {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly sizeBytes: number;
  readonly reclaimableBytes: number;
}

const ACTIVE_STATES: readonly string[] = ["running", "paused", "restarting"];

/** What docker counts: a container that does not run, and an image or volume that no container has, could go. */
export function usageRows(usage: DiskUsageJson): readonly UsageRow[] {
  const cache = usage.BuildCache ?? [];
  const unused = cache.filter((item) => !item.InUse && !item.Shared);
  return [
    imagesRow(usage.Images ?? [], usage.LayersSize ?? 0),
    containersRow(usage.Containers ?? []),
    volumesRow(usage.Volumes ?? []),
    { type: "Build Cache", total: cache.length, active: cache.length - unused.length, sizeBytes: sum(cache, sizeOf), reclaimableBytes: sum(unused, sizeOf) },
  ];
}

const sizeOf = ({ Size }: { readonly Size: number }) => Size;

/** Layers that images share are there once. */
function imagesRow(images: readonly ImageSummary[], sizeBytes: number): UsageRow {
  const active = images.filter(({ Containers }) => Containers > 0);
  const known = active.filter(({ VirtualSize = 0, SharedSize }) => VirtualSize !== -1 && SharedSize !== -1);
  const usedBytes = sum(known, ({ Size, VirtualSize = Size, SharedSize }) => VirtualSize - SharedSize);
  return { type: "Images", total: images.length, active: active.length, sizeBytes, reclaimableBytes: sizeBytes - usedBytes };
}

function containersRow(containers: readonly ContainerSummary[]): UsageRow {
  const isActive = ({ State }: ContainerSummary) => ACTIVE_STATES.includes(State);
  const written = ({ SizeRw = 0 }: ContainerSummary) => SizeRw;
  return {
    type: "Containers",
    total: containers.length,
    active: containers.filter(isActive).length,
    sizeBytes: sum(containers, written),
    reclaimableBytes: sum(
      containers.filter((container) => !isActive(container)),
      written,
    ),
  };
}

function volumesRow(volumes: readonly VolumeUsage[]): UsageRow {
  const size = ({ UsageData }: VolumeUsage) => Math.max(UsageData?.Size ?? 0, 0);
  const isUsed = ({ UsageData }: VolumeUsage) => (UsageData?.RefCount ?? 0) > 0;
  return {
    type: "Local Volumes",
    total: volumes.length,
    active: volumes.filter(isUsed).length,
    sizeBytes: sum(volumes, size),
    reclaimableBytes: sum(
      volumes.filter(({ UsageData }) => UsageData?.RefCount === 0),
      size,
    ),
  };
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}

export const USAGE_COLUMNS: readonly Column<UsageRow>[] = [
  { title: "TYPE", key: "Type", cell: ({ type }) => type },
  { title: "TOTAL", key: "TotalCount", cell: ({ total }) => String(total) },
  { title: "ACTIVE", key: "Active", cell: ({ active }) => String(active) },
  { title: "SIZE", key: "Size", cell: ({ sizeBytes }) => sizeText(sizeBytes, 4) },
  { title: "RECLAIMABLE", key: "Reclaimable", cell: reclaimableWords },
];

/** Of the build cache docker says no share. */
function reclaimableWords({ type, sizeBytes, reclaimableBytes }: UsageRow): string {
  const share = sizeBytes > 0 && type !== "Build Cache" ? ` (${Math.trunc((reclaimableBytes * 100) / sizeBytes)}%)` : "";
  return `${sizeText(reclaimableBytes, 4)}${share}`;
}
