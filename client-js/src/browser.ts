// The <script> build sets the classic globals. It keeps an `io` that the page has loaded itself.
import { io } from "socket.io-client";
import { Hornet } from "./hornet.js";

const page = self as unknown as { Hornet: unknown; $h: unknown; io: unknown };
page.Hornet = Hornet;
page.$h = Hornet;
page.io ??= io;
