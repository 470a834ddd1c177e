// What modbus-serial reads of a station, and writes to it: `node client.js HOST PORT`, one line of JSON.
"use strict";

const ModbusRTU = require("modbus-serial");

async function main(host, port) {
  const client = new ModbusRTU();
  client.setTimeout(5000);
  await client.connectTCP(host, { port: Number(port) });
  client.setID(1);
  await client.writeRegisters(2, [4, 1, 5]); // command, and the part 65541
  await client.writeRegisters(5, Buffer.from("L7".padEnd(32, "\0"))); // lot
  await client.writeRegisters(21, Buffer.from("AB-17\0")); // code
  await client.writeRegister(0, 0b11); // Trigger Enable, Trigger
  await client.maskWriteRegister(0, 0xfffd, 0); // Trigger falls
  const { data, buffer } = await client.readInputRegisters(3000, 16);
  const held = await client.readHoldingRegisters(3000, 2);
  let refused = 0;
  try {
    await client.writeRegister(3000, 1);
  } catch (error) {
    refused = error.modbusCode;
  }
  await new Promise((resolve) => client.close(resolve));
  console.log(JSON.stringify({ words: data, held: held.data, score: buffer.readFloatBE(20), refused }));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
