// Continues a Turkish prompt every ten seconds; the serial monitor (115200 baud) shows it.

#include <speak.h>

static void print(const char *text) {
  Serial.print(text);
}

void setup() {
  Serial.begin(115200);
}

void loop() {
  speak(print);
  delay(10000);
}
