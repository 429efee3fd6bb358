// The handlers, on the port that PORT says: a no-op, three journalled steps, 100 calls and a join.
import * as restate from "@restatedev/restate-sdk";

// The SDK wants what Node 22 has and Node 20 has not.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((a, b) => ([resolve, reject] = [a, b]));
  return { promise, resolve, reject };
};

const leaf = restate.service({
  name: "leaf",
  handlers: { noop: async (_, { number }) => number },
});

const graph = restate.service({
  name: "graph",
  handlers: {
    three: async (context, { number }) => {
      for (const step of ["a", "b", "c"]) number = await context.run(step, () => number);
      return number;
    },
    hundred: async (context) => {
      const calls = Array.from({ length: 100 }, (_, number) => context.serviceClient(leaf).noop({ number }));
      return (await restate.RestatePromise.all(calls)).reduce((sum, number) => sum + number, 0);
    },
  },
});

restate.serve({ services: [leaf, graph], port: Number(process.env.PORT) });
