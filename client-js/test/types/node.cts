// The same declarations as a CommonJS module sees them.
import hornetClient = require("hornet-client");

const hornet: hornetClient.Hornet = new hornetClient.Hornet({ channel: "news", token: () => "one" });
hornet.on("hornet", "error", (message: hornetClient.ErrorMessage) => message.error === "INVALID_TOKEN").connect();
