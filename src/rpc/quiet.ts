import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";

/** gRPC would write to stderr, past our log. All that it says there reaches us as an error or a status too. */
setLogVerbosity(logVerbosity.NONE);
