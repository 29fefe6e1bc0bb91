package client;

/** How questions and answers look on the wire; values are bytes of the service's own making. */
interface Form {
  byte[] write(Question question) throws Exception;

  Answer read(byte[] value) throws Exception;

  /** Value of the header content-type; null when there is none. */
  String contentType();
}
