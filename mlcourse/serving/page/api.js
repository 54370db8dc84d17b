// The server's requests, for the page: JSON in, JSON out, and an error's own sentence.

let token = "";

export function useToken(text) {
  token = text.trim();
}

async function answered(response) {
  const text = await response.text();
  let found = {};
  try {
    found = text ? JSON.parse(text) : {};
  } catch {
    found = { error: text.slice(0, 200) };
  }
  if (!response.ok) {
    const error = new Error(found.error ?? `the server answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return found;
}

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

export async function get(path) {
  return answered(await fetch(path, { headers: headers() }));
}

export async function post(path, body) {
  const started = performance.now();
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers() },
    body: JSON.stringify(body),
  });
  const found = await answered(response);
  return { ...found, milliseconds: performance.now() - started };
}

// Prometheus's text as a list of {name, labels, value}.
export async function metrics() {
  const text = await (await fetch("metrics")).text();
  const line = /^(\w+)(?:\{(.*)\})? (\S+)$/;
  const label = /(\w+)="([^"]*)"/g;
  return text
    .split("\n")
    .map((each) => line.exec(each))
    .filter(Boolean)
    .map(([, name, labels, value]) => ({
      name,
      labels: Object.fromEntries([...(labels ?? "").matchAll(label)].map(([, key, held]) => [key, held])),
      value: Number(value),
    }));
}
