/* protobuf_codec.hpp - messages of the C++ library of protobuf as elements; copy it.   SPDX-License-Identifier: MIT
 *
 * An element is a Message *, made by new: a send takes it, and a receive gives one.  Type and bytes are those of
 * rn_codec_protobuf() in C.  The codec and its type live as long as the program. */
#ifndef PROTOBUF_CODEC_HPP
#define PROTOBUF_CODEC_HPP

#include <cerrno>
#include <memory>
#include <runnel/runnel.h>
#include <string>

template <class Message> rn_codec codec_of()
{
    rn_codec codec = {};

    codec.type = Message::descriptor()->full_name().c_str();
    codec.elemsize = sizeof(Message *);
    codec.encode = [](const void *, const void *elem, rn_buf *out) {
        std::string bytes = (*static_cast<Message *const *>(elem))->SerializeAsString();
        return rn_buf_append(out, bytes.data(), bytes.size());
    };
    codec.decode = [](const void *, const uint8_t *bytes, size_t len, void *elem) {
        auto message = std::make_unique<Message>();
        if (!message->ParseFromArray(bytes, static_cast<int>(len)))
            return -EBADMSG; /* to the dead letters */
        *static_cast<Message **>(elem) = message.release();
        return 0;
    };
    codec.drop = [](const void *, void *elem) { delete *static_cast<Message **>(elem); };
    return codec;
}

#endif
