package client;

/** A question about one person, and when its answer is of no use any more (milliseconds since the epoch, UTC). */
record Question(String id, String query, String profileId, long deadlineAt) {}
