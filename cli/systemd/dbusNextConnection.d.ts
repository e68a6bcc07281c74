/** The part of dbus-next below its MessageBus, which the package does not describe. */
declare module 'dbus-next/lib/connection.js' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';
  import type { Message } from 'dbus-next';

  /** Emits connect, message (Message), end, error. */
  interface Connection extends EventEmitter {
    stream: Socket;
    message(message: Message): void;
    end(): Connection;
  }

  export default function createConnection(options: { busAddress: string; authMethods: string[] }): Connection;
}
