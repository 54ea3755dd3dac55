import { ClusterError } from "../../base/errors.js";
import type { Service } from "../../model/objects.js";
import { roughBytes } from "../../store/object-size.js";
import { EndpointSpecCodec, ServiceCodec } from "../../wire/generated/objects.js";

/** Leaves room for what the leader adds to the service and to its tasks: those must fit into an entry of the log (replica/proposals.ts) too. */
const SERVICE_BYTES_MAX = 1_400_000;

/** Nearly every service is so far below the limit that what it takes at most, its ports several times, is below it too. */
const SMALL_SERVICE_BYTES = SERVICE_BYTES_MAX / 8;

/** Throws ClusterError `out_of_range` for a service that is too large, its previous spec included. */
export function assertServiceSize(service: Service): void {
  if (roughBytes(service) <= SMALL_SERVICE_BYTES) return;
  const endpoint = service.spec?.endpoint;
  // The ports come again as what was allocated, in the service and in each task, and once more in what the task reports.
  const portsBytes = endpoint ? EndpointSpecCodec.encode(endpoint).length * 3 : 0;
  const bytes = ServiceCodec.encode({ ...service, endpoint: null }).length + portsBytes;
  if (bytes <= SERVICE_BYTES_MAX) return;
  const what = service.previousSpec === null ? "" : ", the spec before this one included,";
  throw new ClusterError("out_of_range", `service ${service.spec?.name} of ${bytes} bytes${what} is larger than the limit of ${SERVICE_BYTES_MAX} bytes`);
}
