// The <script> build: the classic globals. An `io` that the page loaded itself stays the page's own.
import { io } from "socket.io-client";
import { Hornet } from "./hornet.js";

const page = self as unknown as { Hornet: unknown; $h: unknown; io: unknown };
page.Hornet = Hornet;
page.$h = Hornet;
page.io ??= io;
